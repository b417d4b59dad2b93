// The invariants of the official definitions, by the FHIRPath engine of the National Library of Medicine.
//
// Of the resource type, of the profiles that the resource claims, and of every datatype. Each expression is
// compiled once; `all()` asks it of every element at its path in one go.

import { definition, judge, load } from '../src/judge.js';
import { parse, plain } from '../src/json.js';

const fhirpath = load('fhirpath');
const r5 = load('fhirpath/fhir-context/r5');

/** Datatypes whose invariants are asked of every value of that type, wherever it stands. */
const DATATYPES = [
  'Age', 'Annotation', 'Attachment', 'CodeableConcept', 'CodeableReference', 'Coding', 'ContactPoint', 'Duration',
  'Identifier', 'Narrative', 'Period', 'Quantity', 'Range', 'Ratio', 'Reference', 'SampledData', 'Timing',
];
/** Asked of the whole tree at once instead of at each path. */
const EVERYWHERE = new Set(['ele-1', 'ext-1']);
/** Narrative is good practice, not a rule; ours are for machines. */
const NOT_ASKED = new Set(['dom-6']);

function compile(key, expression) {
  try {
    const run = fhirpath.compile(expression, r5);
    return {
      key,
      problem: (resource) => {
        const answer = run(resource, { resource, rootResource: resource }, { traceFn: () => {} });
        return answer.length === 0 || answer.every((a) => a === true) ? undefined : key;
      },
    };
  } catch (error) {
    throw new Error(`${key}: ${error.message}: ${expression}`);
  }
}

/** `Observation.value[x]` as FHIRPath: `Observation.value`; slices stand at the path of their element. */
const pathOf = (element) => element.path.replace(/\[x\]/g, '');

function ofStructure(name) {
  const structure = definition(`StructureDefinition-${name}`);
  if (!structure) return undefined;
  const checks = new Map();
  for (const element of structure.snapshot.element) {
    // A slice's own rules need its discriminator: the snapshot walk has those.
    if (element.id.includes(':')) continue;
    for (const { key, severity, expression } of element.constraint ?? []) {
      if (severity !== 'error' || EVERYWHERE.has(key) || NOT_ASKED.has(key) || !expression) continue;
      // What a reference leads to is in no file of ours.
      if (expression.includes('resolve()')) continue;
      const asked = element.path.includes('.') ? `${pathOf(element)}.all(${expression})` : expression;
      checks.set(asked, compile(`${name} ${key} at ${element.path}`, asked));
    }
  }
  return [...checks.values()];
}

function ofDatatype(name) {
  const root = definition(`StructureDefinition-${name}`).snapshot.element[0];
  return (root.constraint ?? [])
    .filter(({ key, severity, expression }) => severity === 'error' && key !== 'ele-1' && expression)
    .map(({ key, expression }) => compile(`${name} ${key}`, `descendants().ofType(${name}).all(${expression})`));
}

const everywhere = [
  compile('ele-1', 'descendants().all(hasValue() or (children().count() > id.count()))'),
  // By name: the engine does not tell the type of an element called `extension`.
  compile(
    'ext-1',
    '(extension | modifierExtension | descendants().extension | descendants().modifierExtension)'
      + '.all(extension.exists() != value.exists())',
  ),
  ...DATATYPES.flatMap(ofDatatype),
];
const structures = new Map();
const checksOf = (name) => {
  if (!structures.has(name)) structures.set(name, ofStructure(name));
  return structures.get(name);
};

judge((text) => {
  const resource = plain(parse(text));
  const base = checksOf(resource.resourceType);
  if (!base) return [`no definition of ${resource.resourceType}`];
  const checks = [...base, ...everywhere];
  const problems = [];
  for (const url of resource.meta?.profile ?? []) {
    const ofProfile = checksOf(url.replace(/^.*\//, ''));
    if (ofProfile) checks.push(...ofProfile);
    else problems.push(`no definition of the profile ${url}`);
  }
  for (const check of new Set(checks)) {
    const problem = check.problem(resource);
    if (problem) problems.push(problem);
  }
  return problems;
});
