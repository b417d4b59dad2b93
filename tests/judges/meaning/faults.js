// Planted faults that no validator can see: what comes out is good FHIR and says something else.

/** `[name, kind, change]`: the first reading with an Observation of that kind is changed, and must be noticed. */
export const faults = [
  ['a display of another code', 'spo2', ({ o }) => { o.code.coding[0].display = 'Heart rate'; }],
  ['glucose in mmol/L under the code for mg/dL', 'glucose', ({ o }) => { Object.assign(o.valueQuantity, { unit: 'mmol/L', code: 'mmol/L' }); }],
  ['uric acid under the mass code', 'uric-acid', ({ o }) => { Object.assign(o.code.coding[0], { code: '3084-1', display: 'Urate [Mass/volume] in Serum or Plasma' }); }],
  ['MDC of another quantity', 'body-weight', ({ o }) => { o.code.coding.find((c) => c.system.startsWith('urn:iso')).code = '150364'; }],
  ['words of another unit', 'cholesterol', ({ o }) => { o.valueQuantity.unit = 'mg/dL'; }],
  ['a perfusion index ten times too large', 'perfusion-index', ({ o, digits }) => { o.valueQuantity.value = digits(Number(o.valueQuantity.value) * 10); }],
  ['the tail of a binary32', 'body-temperature', ({ o, digits }) => { o.valueQuantity.value = digits('36.52999878'); }],
  ['systolic and diastolic exchanged', 'blood-pressure', ({ o }) => {
    const [s, d] = o.component;
    [s.valueQuantity, d.valueQuantity] = [d.valueQuantity, s.valueQuantity];
  }],
  ['the meal of another code', 'glucose after meal', ({ o }) => { o.component[0].valueCodeableConcept.coding[0].code = '8417868'; }],
  ['HI without its comparator', 'glucose off scale', ({ o }) => { delete o.valueQuantity.comparator; }],
  ['a time of another zone', 'heart-rate of the cuff', ({ o }) => { o.effectiveDateTime = o.effectiveDateTime.replace('+07:00', '+08:00'); }],
  ['a clock that nobody corrected', 'heart-rate of the cuff', ({ o }) => { o.effectiveDateTime = '2028-03-17T17:00:01+07:00'; }],
  ['another patient', 'body-weight', ({ o }) => { o.subject.reference = 'Patient/65a000000000000000000002'; }],
  ['the gateway as device', 'body-weight', ({ o }) => { o.device = o.extension[0].valueReference; }],
  ['an implausible value called final', 'implausible', ({ o }) => { o.status = 'final'; }],
  ['an id of another key', 'impedance', ({ o }) => { o.id = o.id.replace(/^./, (c) => (c === '0' ? '1' : '0')); }],
  ['a head where there was none', 'body-weight', ({ o }) => { o.bodySite = { coding: [{ system: 'http://snomed.info/sct', code: '69536005' }] }; }],
  ['a legacy value of another unit', 'uric-acid', ({ r }) => { r.legacy[0].document.data[0].uric = '6.8'; }],
  ['a legacy document of another patient', 'glucose', ({ r }) => { r.legacy[0].document.patient_id.$oid = '65a000000000000000000002'; }],
  ['no legacy document', 'cholesterol', ({ r }) => { r.legacy = []; }],
  ['an Observation too few', 'heart-rate of the oximeter', ({ r }) => { r.observations.pop(); }],
  ['an AuditEvent of another outcome', 'spo2', ({ r }) => { r.audit[0].outcome.detail[0].coding[0].code = 'parked'; }],
  ['a reading that was given up', 'spo2', ({ r }) => { Object.assign(r, { outcome: 'dead', reason: 'value missing' }); }],
];

const KINDS = {
  'glucose after meal': (w) => w.as === 'glucose' && w.meal === 'after meal',
  'glucose off scale': (w) => w.comparator === '>',
  implausible: (w) => w.implausible,
};

/** Which Observation of a line a fault can be planted in: `[reading, observation]`, or undefined. */
export function place(kind, wanted) {
  const fits = KINDS[kind] ?? ((w) => w.as === kind);
  for (const [at, reading] of wanted.entries()) {
    const index = (reading.observations ?? []).findIndex(fits);
    if (index >= 0) return [at, index];
  }
  return undefined;
}
