// Picks from the packages that HAPI ships the definitions that our resources can touch, without narrative.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGES = ['hl7.fhir.r5.core-5.0.0', 'hl7.terminology-5.1.0', 'hl7.fhir.uv.extensions.r5-1.0.0'];
/** Resources that we write, refer to, or copy as they are; the others are needed by nobody. */
const TYPES = new Set([
  'Resource', 'DomainResource', 'Observation', 'AuditEvent', 'Patient', 'Device', 'DeviceAssociation', 'Organization',
  'Condition', 'DiagnosticReport', 'DocumentReference', 'Location', 'Medication', 'MedicationRequest', 'MedicationStatement',
  'Practitioner', 'PractitionerRole', 'Provenance',
  'bp', 'vitalsigns', 'heartrate', 'oxygensat', 'bodytemp', 'bodyweight', 'bodyheight', 'bmi', 'resprate',
  'observation-gatewayDevice', 'SimpleQuantity', 'MoneyQuantity',
]);

/** Writes the definitions as NDJSON to `target`; `libs` is the folder of the jars. */
export function slim(libs, target) {
  const jar = join(libs, readdirSync(libs).find((name) => name.startsWith('hapi-fhir-validation-resources-r5')));
  const folder = mkdtempSync(`${target}.`);
  try {
    execFileSync('jar', ['xf', jar], { cwd: folder });
    const all = PACKAGES.flatMap((name) => {
      const into = join(folder, name);
      execFileSync('mkdir', [into]);
      execFileSync('tar', ['xzf', join(folder, 'org/hl7/fhir/r5/packages', `${name}.tgz`), '-C', into]);
      return readAll(join(into, 'package'));
    });
    writeFileSync(target, pick(all).map((resource) => `${JSON.stringify(resource)}\n`).join(''));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readAll(folder) {
  return readdirSync(folder)
    .filter((name) => /^(?:StructureDefinition|ValueSet|CodeSystem)-.*\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
}

function pick(all) {
  const structures = all.filter((r) => r.resourceType === 'StructureDefinition' && wanted(r));
  const byUrl = new Map(all.map((r) => [r.url, r]));
  const picked = new Map(structures.map((r) => [r.url, r]));
  const follow = (url) => {
    const resource = byUrl.get(url?.replace(/\|.*$/, ''));
    if (!resource || picked.has(resource.url)) return;
    picked.set(resource.url, resource);
    for (const { system, valueSet } of [...(resource.compose?.include ?? []), ...(resource.compose?.exclude ?? [])]) {
      follow(system);
      valueSet?.forEach(follow);
    }
  };
  for (const structure of structures) {
    for (const { binding } of structure.snapshot.element) {
      if (binding && binding.strength !== 'example') follow(binding.valueSet);
    }
  }
  for (const url of [
    'http://terminology.hl7.org/CodeSystem/observation-category',
    'http://terminology.hl7.org/CodeSystem/data-absent-reason',
    'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation',
    'http://terminology.hl7.org/CodeSystem/audit-event-type',
    'http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers',
    'http://hl7.org/fhir/restful-interaction',
    'http://hl7.org/fhir/issue-severity',
  ]) follow(url);
  return [...picked.values()].map(({ text, differential, mapping, ...rest }) => {
    for (const element of rest.snapshot?.element ?? []) {
      for (const key of ['definition', 'comment', 'requirements', 'mapping', 'example', 'alias']) delete element[key];
    }
    return rest;
  });
}

function wanted({ kind, derivation, id }) {
  return TYPES.has(id) || ((kind === 'complex-type' || kind === 'primitive-type') && derivation !== 'constraint');
}
