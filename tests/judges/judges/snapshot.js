// A walk over the snapshots of the official definitions: cardinality, types, fixed values and patterns, slices,
// required bindings, targets of references; of the resource and of every profile that it claims.

import { judge } from '../src/judge.js';
import { Digits, parse } from '../src/json.js';
import { childrenOf, codesOf, primitive, structure } from './snapshot/definitions.js';

/** Official extensions that are not in the core package, and what their value must be. */
const EXTENSIONS = {
  'http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice': ['valueReference', /^Device\//],
};
const UPPER = (text) => text[0].toUpperCase() + text.slice(1);
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Digits);

class Walk {
  problems = [];

  fail(path, what) {
    this.problems.push(`${path}: ${what}`);
  }

  /** A complex value: nothing unknown in it, and each of its elements as defined. */
  complex(node, type, tree, value, path) {
    if (!isObject(value)) return this.fail(path, `${type} is no object`);
    if (Object.keys(value).length === 0) return this.fail(path, 'empty object');
    const inside = childrenOf(node, type, tree);
    const known = new Set(path === value.resourceType ? ['resourceType'] : []);
    for (const child of inside.children) this.element(child, inside.tree, value, path, known);
    for (const key of Object.keys(value)) {
      if (!known.has(key)) this.fail(path, `unknown ${key}`);
    }
    if (type === 'Reference') this.reference(node, value, path);
    if (type === 'Extension') this.extension(value, path);
  }

  /** All instances of one element: how many, each of them, and its slices. */
  element(node, tree, parent, path, known) {
    const found = [];
    for (const [key, type] of this.names(node)) {
      known.add(key).add(`_${key}`);
      if (Object.hasOwn(parent, key) || Object.hasOwn(parent, `_${key}`)) {
        found.push(...this.instances(node, type, parent[key], parent[`_${key}`], `${path}.${key}`));
      }
    }
    const at = `${path}.${node.name}`;
    if (node.isChoice && new Set(found.map((i) => i.type)).size > 1) this.fail(at, 'more than one kind');
    if (found.length < node.min) this.fail(at, `${found.length} of at least ${node.min}`);
    if (found.length > node.max) this.fail(at, `${found.length} of at most ${node.max}`);
    for (const instance of found) this.instance(node, tree, instance);
    if (node.slices.length > 0) this.slices(node, tree, found, at);
  }

  /** The keys under which an element may stand, with the type that each says. */
  names(node) {
    const { name } = node;
    if (!node.isChoice) return [[name, node.types[0]?.code]];
    const types = node.types.map((t) => t.code);
    return types.map((type) => [name.replace('[x]', UPPER(type)), type]);
  }

  instances(node, type, value, beside, path) {
    if (!node.isList) {
      if (Array.isArray(value)) {
        this.fail(path, 'a list where one belongs');
        return [];
      }
      return [{ type, value, beside, path }];
    }
    const list = value ?? beside;
    if (!Array.isArray(list)) {
      this.fail(path, 'one where a list belongs');
      return [];
    }
    if (list.length === 0) this.fail(path, 'empty list');
    return list.map((_, i) => ({ type, value: value?.[i], beside: beside?.[i], path: `${path}[${i}]` }));
  }

  instance(node, tree, { type, value, beside, path }) {
    const simple = type && primitive(type);
    if (beside !== undefined && beside !== null) {
      if (simple) this.complex(structure('Element').root, 'Element', structure('Element'), beside, path);
      else this.fail(path, 'only primitives have a _');
      if (value === undefined) return;
    }
    if (simple) this.primitive(type, simple, value, path);
    else this.complex(node, type, tree, value, path);
    if (node.fixed !== undefined && !same(node.fixed, value)) this.fail(path, 'not the fixed value');
    if (node.pattern !== undefined && !contains(value, node.pattern)) this.fail(path, 'not the pattern');
    const { binding } = node.element;
    if (binding?.strength === 'required') this.binding(binding.valueSet, value, path);
  }

  primitive(type, { json, pattern }, value, path) {
    const is = value instanceof Digits ? 'number' : typeof value;
    if (is !== json || value === null) return this.fail(path, `${type} as ${value === null ? 'null' : is}`);
    const text = value instanceof Digits ? value.text : String(value);
    if (text.trim() === '') return this.fail(path, 'empty text');
    if (pattern && !pattern.test(text)) return this.fail(path, `no ${type}`);
    if (type === 'dateTime' && text.includes('T') && !/(?:Z|[+-]\d\d:\d\d)$/.test(text)) this.fail(path, 'no offset');
    const day = /^(\d{4})-(\d\d)-(\d\d)/.exec(text);
    if (['dateTime', 'instant', 'date'].includes(type) && day) {
      const date = new Date(`${day[0]}T00:00:00Z`);
      if (Number.isNaN(date.valueOf()) || date.getUTCDate() !== Number(day[3])) this.fail(path, 'no such day');
    }
  }

  binding(url, value, path) {
    const codes = codesOf(url);
    if (!codes || value === undefined) return;
    const codings = isObject(value) ? (value.coding ?? [value]) : [{ code: value }];
    const bound = codings.some(({ system, code }) => codes.has(system === undefined ? code : `${system}|${code}`));
    if (!bound) this.fail(path, `not in ${url}`);
  }

  reference(node, value, path) {
    const targets = node.types.find((t) => t.code === 'Reference')?.targets ?? [];
    if (targets.length === 0 || targets.includes('Resource')) return;
    const named = /^([A-Z][A-Za-z]+)\//.exec(value.reference ?? '')?.[1];
    for (const type of [named, value.type]) {
      if (type && !targets.includes(type)) this.fail(path, `a reference to ${type}`);
    }
    if (named && value.type && named !== value.type) this.fail(path, `${named} called ${value.type}`);
  }

  extension(value, path) {
    const url = value.url ?? '';
    if (!url.startsWith('http://hl7.org/fhir/StructureDefinition/') || structure(url.replace(/^.*\//, ''))) return;
    const [key, target] = EXTENSIONS[url] ?? [];
    if (!key) this.fail(path, `unknown extension ${url}`);
    else if (!value[key]) this.fail(path, `no ${key}`);
    else if (!target.test(value[key].reference ?? '')) this.fail(path, 'wrong target');
  }

  slices(node, tree, found, at) {
    const { discriminator = [], rules } = node.element.slicing ?? {};
    const taken = new Set();
    for (const slice of node.slices) {
      const ours = found.filter((instance) => belongs(slice, discriminator, instance));
      const name = `${at}:${slice.element.sliceName}`;
      if (ours.length < slice.min) this.fail(name, `${ours.length} of at least ${slice.min}`);
      if (ours.length > slice.max) this.fail(name, `${ours.length} of at most ${slice.max}`);
      for (const instance of ours) {
        taken.add(instance);
        this.instance(slice, tree, instance);
      }
    }
    if (rules === 'closed') {
      for (const instance of found) if (!taken.has(instance)) this.fail(instance.path, 'in no slice');
    }
  }
}

/** Whether an instance belongs to a slice: each discriminator finds there what the slice fixes. */
function belongs(slice, discriminators, { type, value }) {
  return discriminators.every(({ type: how, path }) => {
    if (how === 'type') return slice.types.some((t) => t.code === type);
    if (how === 'exists') return slice.min === 0 || values(value, path).length > 0;
    const wanted = path === '$this' ? [slice] : nodesAt([slice], path.split('.'));
    const fixed = wanted.filter((node) => node.fixed !== undefined || node.pattern !== undefined);
    const there = path === '$this' ? [value] : values(value, path);
    return fixed.every((node) => there.some((v) => (node.fixed === undefined ? contains(v, node.pattern) : same(node.fixed, v))));
  });
}

/** The elements at a path below some nodes, those of slices too. */
function nodesAt(nodes, [step, ...rest]) {
  if (step === undefined) return nodes;
  const next = nodes.flatMap((node) => node.children.filter((c) => c.name === step).flatMap((c) => [c, ...c.slices]));
  return nodesAt(next, rest);
}

function values(value, path) {
  return path.split('.').reduce((list, step) => list.flatMap((v) => v?.[step] ?? []), [value]);
}

function same(wanted, value) {
  if (!isObject(wanted) && !Array.isArray(wanted)) return value instanceof Digits ? Number(value.text) === wanted : value === wanted;
  if (Array.isArray(wanted)) return Array.isArray(value) && value.length === wanted.length && wanted.every((w, i) => same(w, value[i]));
  return isObject(value) && Object.keys(value).length === Object.keys(wanted).length && contains(value, wanted);
}

function contains(value, wanted) {
  if (Array.isArray(wanted)) return Array.isArray(value) && wanted.every((w) => value.some((v) => contains(v, w)));
  if (isObject(wanted)) return isObject(value) && Object.entries(wanted).every(([key, w]) => contains(value[key], w));
  return same(wanted, value);
}

judge((text) => {
  const resource = parse(text);
  const { resourceType } = resource;
  const walk = new Walk();
  for (const url of [undefined, ...(resource.meta?.profile ?? [])]) {
    const tree = structure(url ? url.replace(/^.*\//, '') : resourceType);
    if (!tree || (url && url !== tree.url) || tree.type !== resourceType) {
      walk.fail(resourceType, `no definition ${url ?? ''}`);
    } else {
      walk.complex(tree.root, resourceType, tree, resource, resourceType);
    }
  }
  return [...new Set(walk.problems)];
});
