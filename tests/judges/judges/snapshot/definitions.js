// The official definitions as trees: an element, its children, its slices.

import { definition } from '../../src/judge.js';

/** One element of a snapshot. */
class Node {
  constructor(element) {
    this.element = element;
    this.path = element.path;
    this.name = element.path.split('.').at(-1);
    this.children = [];
    this.slices = [];
    this.types = (element.type ?? []).map((type) => ({
      code: typeCode(type),
      targets: (type.targetProfile ?? []).map((url) => url.replace(/^.*\//, '')),
    }));
    const fixed = Object.keys(element).find((key) => /^fixed[A-Z]/.test(key));
    const pattern = Object.keys(element).find((key) => /^pattern[A-Z]/.test(key));
    this.fixed = fixed && element[fixed];
    this.pattern = pattern && element[pattern];
    this.isChoice = this.name.endsWith('[x]');
    // A profile may narrow a list to one; in JSON it stays a list.
    this.isList = (element.base?.max ?? element.max) !== '1';
    this.max = element.max === '*' ? Infinity : Number(element.max);
    this.min = element.min;
  }
}

function typeCode(type) {
  if (!type.code.startsWith('http://hl7.org/fhirpath/')) return type.code;
  const real = type.extension?.find((e) => e.url.endsWith('structuredefinition-fhir-type'));
  return real?.valueUrl ?? real?.valueUri ?? 'string';
}

const trees = new Map();

/** `{url, type, root, byId}` of a resource, datatype or profile; undefined where the package has none. */
export function structure(name) {
  if (!trees.has(name)) trees.set(name, build(definition(`StructureDefinition-${name}`)));
  return trees.get(name);
}

function build(source) {
  if (!source?.snapshot) return undefined;
  const byId = new Map();
  for (const element of source.snapshot.element) {
    const node = new Node(element);
    byId.set(element.id, node);
    const [, parentId, last] = /^(?:(.*)\.)?([^.]+)$/.exec(element.id);
    const slice = last.indexOf(':');
    if (slice >= 0) {
      const base = (parentId ? `${parentId}.` : '') + last.slice(0, slice);
      byId.get(base).slices.push(node);
    } else if (parentId) {
      byId.get(parentId).children.push(node);
    }
  }
  const root = byId.get(source.snapshot.element[0].id);
  return { url: source.url, type: source.type, kind: source.kind, root, byId };
}

/** The definitions of what may stand inside a value of this type at this element. */
export function childrenOf(node, type, tree) {
  if (node.children.length > 0) return { children: node.children, tree };
  const reference = node.element.contentReference;
  if (reference) {
    const target = tree.byId.get(reference.replace(/^.*#/, ''));
    return { children: target.children, tree };
  }
  const ofType = structure(type);
  return { children: ofType?.root.children ?? [], tree: ofType };
}

const REGEX = 'http://hl7.org/fhir/StructureDefinition/regex';
const primitives = new Map();

/** What a primitive looks like in JSON: `{json, pattern}`; undefined for a type that is none. */
export function primitive(type) {
  if (!primitives.has(type)) {
    const tree = structure(type);
    let found;
    if (tree?.kind === 'primitive-type') {
      const value = tree.root.children.find((child) => child.name === 'value');
      const regex = value?.element.type?.[0].extension?.find((e) => e.url === REGEX)?.valueString;
      const json = { boolean: 'boolean', decimal: 'number', integer: 'number', positiveInt: 'number', unsignedInt: 'number' };
      found = { json: json[type] ?? 'string', pattern: regex && new RegExp(`^(?:${regex})$`) };
    }
    primitives.set(type, found);
  }
  return primitives.get(type);
}

/** Too large to be expanded in the package, and not ours to get wrong. */
const NOT_EXPANDED = new Set(['mimetypes', 'all-languages']);
const valueSets = new Map();

/** The `system|code` and the bare codes of a value set; undefined where it is not expanded. */
export function codesOf(url) {
  const name = url.replace(/\|.*$/, '').replace(/^.*\//, '');
  if (!valueSets.has(name)) valueSets.set(name, NOT_EXPANDED.has(name) ? undefined : expand(name));
  return valueSets.get(name);
}

function expand(name) {
  const codes = new Set();
  const add = (system, code) => codes.add(code).add(`${system}|${code}`);
  const walk = (list) => {
    for (const { system, code, contains } of list ?? []) {
      if (code) add(system, code);
      walk(contains);
    }
  };
  const expanded = definition(`ValueSet-${name}`, 'hl7.fhir.r5.expansions');
  if (expanded?.expansion) {
    walk(expanded.expansion.contains);
    return codes;
  }
  const composed = definition(`ValueSet-${name}`);
  if (!composed?.compose?.include?.every((include) => include.concept)) return undefined;
  for (const { system, concept } of composed.compose.include) {
    for (const { code } of concept) add(system, code);
  }
  return codes;
}
