// Planted faults: each is one change to a good resource, and at least one judge must catch it.

const LOINC = 'http://loinc.org';

/** `[name, good resource, change]`; the change works on a copy and may return another one. */
export const faults = [
  // Form
  ['an unknown field', 'heart-rate', (r) => { r.deviceName = 'cuff'; }],
  ['an empty array', 'heart-rate', (r) => { r.note = []; }],
  ['an empty object', 'heart-rate', (r) => { r.method = {}; }],
  ['an empty text', 'heart-rate', (r) => { r.device.display = ''; }],
  ['a null', 'heart-rate', (r) => { r.bodySite = null; }],
  ['one thing where a list belongs', 'heart-rate', (r) => { r.category = r.category[0]; }],
  ['a list where one thing belongs', 'heart-rate', (r) => { r.code = [r.code]; }],
  ['a decimal as text', 'body-weight', (r) => { r.valueQuantity.value = '71.4'; }],
  ['a decimal of words', 'body-weight', (r) => { r.valueQuantity.value = 'HI'; }],
  ['an id with a colon', 'heart-rate', (r) => { r.id = '02:00:00:BB:00:01'; }],
  ['an id of 65 characters', 'heart-rate', (r) => { r.id = 'a'.repeat(65); }],
  ['a date of words', 'heart-rate', (r) => { r.effectiveDateTime = 'yesterday'; }],
  ['a time without an offset', 'heart-rate', (r) => { r.effectiveDateTime = '2026-03-01T07:00:00'; }],
  ['a time with two offsets', 'heart-rate', (r) => { r.effectiveDateTime = '2026-03-01T07:00:00+00:00Z'; }],
  ['an instant without an offset', 'heart-rate', (r) => { r.issued = '2026-03-01T00:00:01'; }],
  ['two kinds of value', 'heart-rate', (r) => { r.valueString = '71'; }],
  ['two kinds of effective time', 'heart-rate', (r) => { r.effectivePeriod = { start: r.effectiveDateTime }; }],
  // Required elements and codes
  ['no status', 'heart-rate', (r) => { delete r.status; }],
  ['a status that does not exist', 'heart-rate', (r) => { r.status = 'complete'; }],
  ['no code', 'impedance', (r) => { delete r.code; }],
  ['a comparator that does not exist', 'glucose-high', (r) => { r.valueQuantity.comparator = '=>'; }],
  ['an extension without a url', 'heart-rate', (r) => { delete r.extension[0].url; }],
  // Invariants
  ['a value and a reason for its absence', 'spo2', (r) => { r.dataAbsentReason = { text: 'error' }; }],
  ['the code of the whole again as component', 'blood-pressure', (r) => {
    delete r.meta.profile;
    r.component[0].code = structuredClone(r.code);
    r.valueString = 'x';
  }],
  ['a unit code without its system', 'perfusion-index', (r) => { delete r.valueQuantity.system; }],
  ['an extension with a value and extensions', 'heart-rate', (r) => {
    r.extension[0].extension = [{ url: 'urn:x', valueString: 'x' }];
  }],
  ['a reference of nothing', 'heart-rate', (r) => { r.device = { type: 'Device' }; }],
  // Profiles
  ['a vital sign without its category', 'heart-rate', (r) => { r.category.shift(); }],
  ['a vital sign without a subject', 'body-weight', (r) => { delete r.subject; }],
  ['a vital sign without a time', 'body-weight', (r) => { delete r.effectiveDateTime; }],
  ['a vital sign of a group', 'body-weight', (r) => { r.subject = { reference: 'Group/1' }; }],
  ['a blood pressure without its diastolic', 'blood-pressure', (r) => { r.component.pop(); }],
  ['a blood pressure with a value of its own', 'blood-pressure', (r) => {
    r.valueQuantity = { value: 131, unit: 'mmHg', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' };
  }],
  ['a component in a unit that vital signs do not have', 'blood-pressure', (r) => {
    r.component[0].valueQuantity.code = 'kPa';
  }],
  ['an oxygen saturation without 2708-6', 'spo2', (r) => { r.code.coding.shift(); }],
  ['a heart rate under another code', 'heart-rate', (r) => { r.code.coding[0] = { system: LOINC, code: '8889-8' }; }],
  ['a temperature in coulomb', 'body-temperature', (r) => { r.valueQuantity.code = 'C'; }],
  ['a weight without a unit code', 'body-weight', (r) => { delete r.valueQuantity.code; }],
  ['a vital sign without value and reason', 'heart-rate', (r) => { delete r.valueQuantity; }],
  ['a profile that does not exist', 'heart-rate', (r) => {
    r.meta.profile = ['http://hl7.org/fhir/StructureDefinition/heart-rate'];
  }],
  ['impedance as a component of the weight', 'body-weight', (r) => {
    r.component = [{
      code: { coding: [{ system: 'urn:stardust:codes', code: 'body-impedance' }] },
      valueQuantity: { value: 512.7, unit: 'Ω', system: 'http://unitsofmeasure.org', code: 'Ohm' },
    }];
  }],
  // References
  ['a device as performer', 'heart-rate', (r) => { r.performer = [{ reference: 'Device/1' }]; }],
  ['a patient as device', 'heart-rate', (r) => { r.device = { reference: 'Patient/1' }; }],
  // Units
  ['mmHg as a unit code', 'blood-pressure', (r) => {
    delete r.meta.profile;
    r.component[0].valueQuantity.code = 'mmHg';
  }],
  ['bpm as a unit code', 'heart-rate', (r) => {
    delete r.meta.profile;
    r.valueQuantity.code = 'bpm';
  }],
  ['ohm as a unit code', 'impedance', (r) => { r.valueQuantity.code = 'ohm'; }],
  // AuditEvents
  ['an audit event as R4 had it', 'audit-created', (r) => {
    r.type = r.category[0].coding[0];
    r.outcome = '0';
  }],
  ['an audit event without a code', 'audit-created', (r) => { delete r.code; }],
  ['an audit event without an agent', 'audit-created', (r) => { delete r.agent; }],
  ['an agent who is nobody', 'audit-created', (r) => { delete r.agent[0].who; }],
  ['an action that does not exist', 'audit-created', (r) => { r.action = 'X'; }],
  ['an audit event without its time', 'audit-created', (r) => { delete r.recorded; }],
  ['an audit event without a source', 'audit-created', (r) => { delete r.source; }],
  ['an audit event of a group as patient', 'audit-created', (r) => { r.patient = { reference: 'Group/1' }; }],
  ['an outcome without a code', 'audit-dead', (r) => { delete r.outcome.code; }],
  // Patients, hospitals, devices
  ['a gender that does not exist', 'patient', (r) => { r.gender = 'Female'; }],
  ['a birth date with a time', 'patient', (r) => { r.birthDate = '1951-04-13T00:00:00Z'; }],
  ['a birth date of another calendar', 'patient', (r) => { r.birthDate = '13/04/2494'; }],
  ['a name as one text', 'patient', (r) => { r.name = 'Ada Aster'; }],
  ['a family name as a list', 'patient', (r) => { r.name[0].family = ['Aster']; }],
  ['a telephone number without its system', 'patient', (r) => { delete r.telecom[0].system; }],
  ['a device as a patient\'s hospital', 'patient', (r) => { r.managingOrganization.reference = 'Device/1'; }],
  ['a hospital without name and identifier', 'organization', (r) => {
    delete r.name;
    delete r.identifier;
  }],
  ['a hospital with an address as R4 had it', 'organization', (r) => { r.address = [{ text: '1 Nowhere Road' }]; }],
  ['a list of names of a hospital', 'organization', (r) => { r.name = [{ code: 'en', name: 'Invented' }]; }],
  ['a device with a patient as R4 had it', 'cuff', (r) => { r.patient = { reference: 'Patient/1' }; }],
  ['a device with one type as R4 had it', 'cuff', (r) => { r.type = r.type[0]; }],
  ['a kind of name that does not exist', 'gateway', (r) => { r.name[0].type = 'model-name'; }],
  ['a name without its kind', 'gateway', (r) => { delete r.name[0].type; }],
  ['a device status that does not exist', 'gateway', (r) => { r.status = 'online'; }],
  ['an association without a device', 'association', (r) => { delete r.device; }],
  ['an association without a status', 'association', (r) => { delete r.status; }],
  ['an association status as a code', 'association', (r) => { r.status = 'attached'; }],
  ['an association status that does not exist', 'association', (r) => { r.status.coding[0].code = 'active'; }],
  ['an association that ends before it starts', 'association', (r) => { r.period.end = '2026-02-01T07:00:00+07:00'; }],
  ['an association with an observation', 'association', (r) => { r.subject.reference = 'Observation/1'; }],
  ['an association of a patient as device', 'association', (r) => { r.device = { reference: 'Patient/1' }; }],
  // Copied as they are
  ['a condition without its clinical status', 'condition', (r) => { delete r.clinicalStatus; }],
  ['a report without a code', 'report', (r) => { delete r.code; }],
  ['a document without content', 'document', (r) => { delete r.content; }],
  ['a ward with a physical type as R4 had it', 'ward', (r) => { r.physicalType = { text: 'ward' }; }],
  ['a medication with a form as R4 had it', 'medication', (r) => { r.form = { text: 'tablet' }; }],
  ['a role in a provenance as R4 had it', 'provenance', (r) => { r.entity[0].role = 'derivation'; }],
  ['an outcome code as a concept', 'audit-dead', (r) => { r.outcome.code = { coding: [r.outcome.code] }; }],
];

/** The faulty resources: `[{name, resource}]`. */
export function plant(good) {
  return faults.map(([name, of, change]) => {
    if (!good[of]) throw new Error(`fault "${name}": no good resource ${of}`);
    const resource = structuredClone(good[of]);
    change(resource);
    return { name, resource };
  });
}
