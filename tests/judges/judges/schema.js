// The official JSON Schema of FHIR R5, by Ajv.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, judge, load } from '../src/judge.js';
import { parse, plain } from '../src/json.js';

const folder = join(CACHE, 'js', 'node_modules', 'hl7.fhir.r5.core', 'openapi');
const schema = JSON.parse(readFileSync(join(folder, 'fhir.schema.json'), 'utf8'));
// Published as draft-06; Ajv knows its vocabulary under draft-07.
delete schema.$schema;
delete schema.id;
const Ajv = load('ajv').default;
const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false, unicodeRegExp: false });
ajv.addSchema(schema, 'fhir');

const validators = new Map();
const validatorOf = (type) => {
  if (!validators.has(type)) {
    const known = schema.definitions[type] && ajv.compile({ $ref: `fhir#/definitions/${type}` });
    validators.set(type, known);
  }
  return validators.get(type);
};

judge((text) => {
  const resource = plain(parse(text));
  const validate = validatorOf(resource.resourceType);
  if (!validate) return [`no schema for ${resource.resourceType}`];
  if (validate(resource)) return [];
  return validate.errors.map((e) => `${e.instancePath || '/'} ${e.message}`);
});
