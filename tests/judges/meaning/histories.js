// Compares what `stardust map --history` made of an entry with what had to become of it.

import { Digits } from '../src/json.js';
import { zoned } from './compare.js';
import { KINDS, MDC_NAMES, MEALS, NAMES, UNITS } from './table.js';

const LOINC = 'http://loinc.org';
const MDC = 'urn:iso:std:iso:11073:10101';
const codes = (concept, system) => (concept?.coding ?? []).filter((c) => c.system === system).map((c) => c.code);
const digits = (value) => (value instanceof Digits ? value.text : `not a number: ${JSON.stringify(value)}`);

/** What is wrong with the readings of one entry: a list of texts. */
export function compareEntry(actual, entry, receivedAt) {
  const { readings } = actual;
  if (readings.length !== entry.wanted.length) return [`${readings.length} readings instead of ${entry.wanted.length}`];
  return readings.flatMap((reading, at) => {
    const wanted = entry.wanted[at];
    if (reading.outcome !== 'emit') return [`${wanted.as}: ${reading.outcome} (${reading.reason})`];
    const problems = [];
    const equal = (what, is, should) => {
      if (is !== should) problems.push(`${wanted.as}: ${what} ${JSON.stringify(is)} instead of ${JSON.stringify(should)}`);
    };
    equal('Observations', reading.observations.length, 1);
    equal('legacy documents', reading.legacy.length, 0);
    observation(reading.observations[0], wanted, entry, receivedAt, equal);
    return problems;
  });
}

function observation(o, wanted, entry, receivedAt, equal) {
  const table = KINDS[wanted.as];
  const meal = wanted.meal && MEALS[wanted.meal];
  equal('status', o.status, wanted.status);
  equal('patient', o.subject.reference, `Patient/${entry.patient}`);
  equal('effective', o.effectiveDateTime, zoned(entry.at));
  equal('issued', Date.parse(o.issued), receivedAt * 1000);
  equal('source', o.meta.source, `urn:stardust:migration:${entry.collection}`);
  equal('profile', o.meta.profile?.join(), table.profile && `http://hl7.org/fhir/StructureDefinition/${table.profile}`);
  equal('category', o.category.map((c) => c.coding[0].code).join(), table.category);
  equal('extension', o.extension, undefined);
  equal('device', o.device?.identifier?.value, entry.device && entry.device.toUpperCase().match(/../g).join('-'));
  equal('LOINC', codes(o.code, LOINC).join(), [...table.loinc[wanted.unit], ...(meal?.loinc[wanted.unit] ?? [])].join());
  equal('MDC', codes(o.code, MDC).join(), table.mdc.join());
  for (const coding of o.code.coding) {
    const names = coding.system === LOINC ? NAMES[coding.code] : MDC_NAMES[coding.code];
    equal(`name of ${coding.code}`, names?.test(coding.display ?? '') ?? false, true);
  }
  equal('note', wanted.note === undefined || (o.note ?? []).some(({ text }) => text.includes(wanted.note)), true);
  if (wanted.parts) {
    equal('values', o.component.map((c) => digits(c.valueQuantity.value)).join(), wanted.parts.join());
    equal('parts', o.component.map((c) => codes(c.code, LOINC)).join(), '8480-6,8462-4');
    equal('units', o.component.every((c) => c.valueQuantity.code === wanted.unit), true);
    return;
  }
  equal('value', digits(o.valueQuantity.value), wanted.digits);
  equal('unit', o.valueQuantity.code, wanted.unit);
  equal('words', UNITS[wanted.unit].includes(o.valueQuantity.unit), true);
  equal('meal', o.component?.map((c) => c.valueCodeableConcept.coding[0].code).join(), meal?.mdc);
}
