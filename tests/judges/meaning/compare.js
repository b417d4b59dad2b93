// Compares what `stardust map` made of a message with what had to become of it.

import { Digits } from '../src/json.js';
import { uuid } from './oracle.js';
import { COLLECTIONS, KINDS, MDC_NAMES, MEALS, NAMES, UNITS } from './table.js';

const LOINC = 'http://loinc.org';
const MDC = 'urn:iso:std:iso:11073:10101';
const OWN = 'urn:stardust:codes';
const PHD = 'http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories';
const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';
const PROFILE = 'http://hl7.org/fhir/StructureDefinition/';
const list = (value) => (Array.isArray(value) ? value : [value]);
const digits = (value) => (value instanceof Digits ? value.text : `not a number: ${JSON.stringify(value)}`);
const eui48 = (mac) => mac.toUpperCase().match(/../g).join('-');
const codes = (concept, system) => (concept?.coding ?? []).filter((c) => c.system === system).map((c) => c.code);

/** The dateTime of an instant in the zone of the tests, +07:00. */
export function zoned(seconds) {
  const date = new Date((seconds + 7 * 3_600) * 1000);
  const year = date.getUTCFullYear();
  return Number.isNaN(year) || year < 1 || year > 9_999 ? undefined : date.toISOString().replace('.000Z', '+07:00');
}

/** What is wrong with the readings of one line: a list of texts. */
export function compare(actual, expected, receivedAt) {
  const problems = [];
  const { receipt_id: receipt, readings } = actual;
  if (readings.length !== expected.length) {
    return [`${readings.length} readings instead of ${expected.length}`];
  }
  readings.forEach((reading, at) => {
    const say = (what) => problems.push(`reading ${at}: ${what}`);
    compareReading(reading, expected[at], { receipt, receivedAt, say });
  });
  return problems;
}

function compareReading(reading, wanted, { receipt, receivedAt, say }) {
  const equal = equals(say);
  if (!list(wanted.outcome).includes(reading.outcome)) {
    return say(`outcome ${reading.outcome} (${reading.reason}) instead of ${wanted.outcome} (${wanted.reasons.join(' or ')})`);
  }
  if (wanted.reasons.length > 0 && !wanted.reasons.includes(reading.reason)) {
    say(`reason ${reading.reason} instead of ${wanted.reasons.join(' or ')}`);
  }
  if (reading.outcome === 'emit') {
    equal('refused quantities', reading.dead_quantities?.length ?? 0, wanted.deadFields.length);
    for (const { fields, reason } of wanted.deadFields) {
      const named = reading.dead_quantities?.some((q) => fields.includes(q.field) && q.reason === reason);
      if (!named) say(`${fields.join(' or ')} is not refused as ${reason}`);
    }
  }
  const observations = reading.observations ?? [];
  const wantedObservations = wanted.observations ?? [];
  equal('kinds', observations.length, wantedObservations.length);
  equal('ids', observations.map((o) => o.id).join(), wantedObservations.map((o) => o.id).join());
  wantedObservations.forEach((w, i) => {
    if (observations[i]) observation(observations[i], w, receivedAt, (what) => say(`${w.as}: ${what}`));
  });
  legacy(list(reading.legacy ?? []), wanted, say);
  audit(reading, wanted, receipt, say);
}

const equals = (say) => (what, is, wanted) => {
  if (is !== wanted) say(`${what} ${JSON.stringify(is)} instead of ${JSON.stringify(wanted)}`);
};

function observation(o, wanted, receivedAt, say) {
  const equal = equals(say);
  const table = KINDS[wanted.as];
  equal('key', o.identifier?.[0]?.value, wanted.key);
  equal('key system', o.identifier?.[0]?.system, 'urn:stardust:observation-key');
  equal('status', o.status, wanted.status);
  equal('category', o.category?.map((c) => c.coding?.[0]?.code).join(), [table.category, ...(wanted.api ? [] : ['phd'])].join());
  equal('category system', o.category?.[0]?.coding?.[0]?.system, CATEGORY);
  if (!wanted.api) equal('phd system', o.category?.[1]?.coding?.[0]?.system, PHD);
  equal('profile', o.meta?.profile?.join(), table.profile && PROFILE + table.profile);
  equal('patient', o.subject?.reference, `Patient/${wanted.patient}`);
  device(o.device, wanted.device, 'BTMAC', 'bluetooth', (what) => say(`device ${what}`));
  const gateway = o.extension?.find((e) => e.url === `${PROFILE}observation-gatewayDevice`)?.valueReference;
  device(gateway, wanted.gateway, 'ETHMAC', 'ethernet', (what) => say(`gateway ${what}`));
  if (o.performer) say('a performer');
  if (!o.meta?.source) say('no meta.source');

  const { time } = wanted;
  equal('effectiveDateTime', o.effectiveDateTime, zoned(time.effective));
  equal('issued', Date.parse(o.issued), receivedAt * 1000);
  const extensions = o._effectiveDateTime?.extension ?? [];
  equal('clock rule', extensions.find((e) => e.url === 'urn:stardust:clock-rule')?.valueCode, time.rule);
  const own = time.rule && time.own !== undefined ? zoned(time.own) : undefined;
  equal('device time', extensions.find((e) => e.url === 'urn:stardust:device-time')?.valueDateTime, own);

  code(o, wanted, table, equal, say);
  value(o, wanted, equal, say);
  if ((o.note?.length ?? 0) < (wanted.notes > 0 ? 1 : 0)) say('no note');
  if (wanted.notes === 0 && !time.rule && o.note) say(`a note on an ordinary reading: ${o.note[0]?.text}`);
  equal('bodySite', codes(o.bodySite, 'http://snomed.info/sct').join(), wanted.head ? '69536005' : '');
}

function device(reference, mac, type, network, say) {
  const equal = equals(say);
  if (mac === undefined) return equal('is', reference, undefined);
  equal('reference', reference?.reference, `Device/${uuid(`dev|1|${mac}`)}`);
  equal('address', reference?.identifier?.value, eui48(mac));
  equal('address system', reference?.identifier?.system, `http://hl7.org/fhir/sid/eui-48/${network}`);
  equal('address type', reference?.identifier?.type?.coding?.[0]?.code, type);
}

function code(o, wanted, table, equal, say) {
  const meal = MEALS[wanted.meal];
  const loinc = [...table.loinc[wanted.unit], ...(meal?.loinc[wanted.unit] ?? [])];
  equal('LOINC', codes(o.code, LOINC).join(), loinc.join());
  equal('MDC', codes(o.code, MDC).join(), table.mdc.join());
  equal('own code', codes(o.code, OWN).join(), (table.own ?? []).join());
  const all = [o.code, ...(o.component ?? []).flatMap((c) => [c.code, c.valueCodeableConcept])].flatMap((c) => c?.coding ?? []);
  for (const { system, code: name, display } of all) {
    if (system === LOINC && !NAMES[name]?.test(display ?? '')) say(`LOINC ${name} is called ${display}`);
    if (system === MDC && display !== undefined && !MDC_NAMES[name]?.test(display)) say(`MDC ${name} is called ${display}`);
  }
}

function value(o, wanted, equal, say) {
  if (wanted.kind === 'blood-pressure' && !wanted.absent) {
    equal('components', o.component?.map((c) => codes(c.code, LOINC).join()).join(), '8480-6,8462-4');
    equal('MDC of components', o.component?.map((c) => codes(c.code, MDC).join()).join(), '150021,150022');
    wanted.digits.forEach((d, i) => quantity(o.component?.[i]?.valueQuantity, d, wanted, equal, say));
    return;
  }
  const meal = MEALS[wanted.meal];
  equal('components', o.component?.length ?? 0, meal ? 1 : 0);
  if (meal) {
    equal('meal question', codes(o.component?.[0]?.code, MDC).join(), '8417864');
    equal('meal', codes(o.component?.[0]?.valueCodeableConcept, MDC).join(), meal.mdc);
  }
  const interpretation = 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation';
  equal('interpretation', codes(o.interpretation?.[0], interpretation).join(), wanted.comparator ?? '');
  if (wanted.absent) {
    equal('value', o.valueQuantity, undefined);
    equal('reason', codes(o.dataAbsentReason, 'http://terminology.hl7.org/CodeSystem/data-absent-reason').join(), 'error');
    return;
  }
  equal('reason', o.dataAbsentReason, undefined);
  equal('comparator', o.valueQuantity?.comparator, wanted.comparator);
  quantity(o.valueQuantity, wanted.digits, wanted, equal, say);
}

function quantity(q, wantedDigits, { unit }, equal, say) {
  equal('digits', digits(q?.value), wantedDigits);
  equal('unit code', q?.code, unit);
  equal('unit system', q?.system, 'http://unitsofmeasure.org');
  if (!UNITS[unit].includes(q?.unit)) say(`${unit} is called ${q?.unit}`);
}

/** Numbers of the app, by kind: where they stand and in what unit. */
const ENTRIES = {
  'blood-pressure': ([bp, pulse]) => ({ systolic: bp.digits[0], diastolic: bp.digits[1], ...(pulse && { pulse: pulse.digits }) }),
  glucose: ([g]) => ({ blood_glucose: g.unit === 'mmol/L' ? Number(g.digits) * 18 : g.digits }),
  spo2: (all) => Object.fromEntries(all.map((q) => [{ spo2: 'spo2', 'heart-rate': 'pulse', 'perfusion-index': 'pi' }[q.kind], q.tenths ? q.key : q.digits])),
  'body-temperature': ([t]) => ({ temperature: t.digits }),
  'body-weight': ([w, r]) => ({ weight: w.digits, ...(r && { resistance: r.digits }) }),
  creatinine: ([c]) => ({ cretinines: c.unit === 'umol/L' ? Number(c.digits) / 88.4 : c.digits }),
  'uric-acid': ([u]) => ({ uric: u.unit === 'mg/dL' ? Number(u.digits) * 59.48 : u.digits }),
  steps: ([s]) => ({ step: s.digits }),
  sleep: ([s]) => ({ sleep_num: s.digits }),
  'heart-rate': ([h]) => ({ heart_rate: h.digits }),
};
const LIPIDS = { cholesterol: ['lipids', 38.67], ldl: ['ldl_lipids', 38.67], hdl: ['hdl_lipids', 38.67], triglycerides: ['tri_lipids', 88.57] };
function lipids(all) {
  return Object.fromEntries(all.map((q) => {
    const [name, factor] = LIPIDS[q.kind];
    return [name, q.unit === 'mmol/L' ? Number(q.digits) * factor : q.digits];
  }));
}
const DTX_TYPES = { 'before meal': 0, 'after meal': 1, fasting: 2 };

function legacy(documents, wanted, say) {
  const quantities = wanted.outcome === 'emit' && wanted.legacy;
  const equal = equals((what) => say(`legacy ${what}`));
  equal('documents', documents.length, quantities ? 1 : 0);
  if (!quantities || documents.length === 0) return;
  const [{ collection, document }] = documents;
  const [main] = quantities;
  equal('collection', collection, COLLECTIONS[main.kind]);
  equal('patient', document.patient_id?.$oid, wanted.patient);
  equal('device', document.device_id, wanted.device ?? wanted.gateway);
  if (!wanted.deviceTypes.includes(document.device_type)) say(`legacy device_type ${document.device_type}`);
  equal('source', document.source, 'stardust');
  equal('entries', document.data?.length, 1);
  const entry = document.data?.[0] ?? {};
  const numbers = collection === 'lipid_histories' ? lipids(quantities) : ENTRIES[main.kind](quantities);
  const near = (a, b) => Math.abs(Number(a) - Number(b)) <= 0.0500001;
  for (const [name, number] of Object.entries(numbers)) {
    const is = entry[name] instanceof Digits ? entry[name].text : entry[name];
    const exact = typeof number === 'string' && name !== 'uric';
    if (is === undefined || (exact ? Number(is) !== Number(number) : !near(is, number))) {
      say(`legacy ${name} ${is} instead of ${number}`);
    }
  }
  for (const name of ['systolic', 'diastolic', 'pulse', 'spo2', 'pi', 'resistance', 'lipids', 'ldl_lipids', 'hdl_lipids', 'tri_lipids']) {
    if (name in entry && !(name in numbers)) say(`legacy has ${name}`);
  }
  if (main.kind === 'uric-acid' && !/^[0-9]+\.[0-9]$/.test(entry.uric)) say(`legacy uric is ${entry.uric}`);
  if (main.kind === 'glucose') {
    const marker = typeof main.marker === 'string' ? main.marker.trim().toLowerCase() : '';
    equal('dtx_type', Number(entry.dtx_type), DTX_TYPES[marker] ?? 3);
    equal('off_scale', entry.off_scale, { '>': 'HI', '<': 'LO' }[main.comparator]);
  }
}

const AUDIT_OUTCOME = { emit: 'created', park: 'parked', dead: 'dead' };
function audit(reading, wanted, receipt, say) {
  const equal = equals((what) => say(`audit ${what}`));
  const events = reading.audit ?? [];
  equal('events', events.length, 1);
  const [event] = events;
  if (!event) return;
  const outcome = AUDIT_OUTCOME[reading.outcome];
  const items = list(wanted.item).map((item) => item ?? '-');
  const ids = items.map((item) => uuid(`audit|1|${receipt}|${item}|${outcome}`));
  if (!ids.includes(event.id)) say(`audit id ${event.id}`);
  equal('code', event.code?.coding?.[0]?.code, 'create');
  equal('action', event.action, 'C');
  equal('outcome', event.outcome?.code?.code, outcome === 'created' ? 'success' : 'error');
  const details = (event.outcome?.detail ?? []).map((d) => d.coding?.[0]?.code);
  equal('detail', details[0], outcome);
  if (reading.outcome !== 'emit') equal('reason', details[1], reading.reason);
  equal('patient', event.patient?.reference, reading.outcome === 'emit' ? `Patient/${wanted.patient}` : undefined);
  if (wanted.gateway) equal('agent', event.agent?.[0]?.who?.identifier?.value, eui48(wanted.gateway));
  const what = (event.entity ?? []).map((e) => e.what?.reference ?? e.what?.identifier?.value);
  equal('receipt', what.at(-1), receipt);
  if (reading.outcome === 'emit') {
    equal('observations', what.slice(0, -1).join(), (wanted.observations ?? []).map((o) => `Observation/${o.id}`).join());
  }
}
