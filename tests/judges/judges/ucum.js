// Units of measure: every Quantity with a UCUM code, by the library of the National Library of Medicine.

import { judge, load } from '../src/judge.js';
import { parse, plain } from '../src/json.js';

const ucum = load('@lhncbc/ucum-lhc').UcumLhcUtils.getInstance();
const SYSTEM = 'http://unitsofmeasure.org';
const known = new Map();

function problemOfCode(code) {
  if (!known.has(code)) {
    const { status, retMsg } = ucum.validateUnitString(code);
    known.set(code, status === 'valid' ? undefined : `unit ${code}: ${retMsg?.join('; ') || status}`);
  }
  return known.get(code);
}

function* quantities(node, path) {
  if (Array.isArray(node)) {
    for (const [index, item] of node.entries()) yield* quantities(item, `${path}[${index}]`);
  } else if (node !== null && typeof node === 'object') {
    if (/(?:Quantity|low|high)$/.test(path)) yield [path, node];
    for (const [key, member] of Object.entries(node)) yield* quantities(member, `${path}.${key}`);
  }
}

judge((text) => {
  const problems = [];
  for (const [path, quantity] of quantities(plain(parse(text)), '')) {
    if (quantity.system !== SYSTEM) {
      problems.push(`${path} not in UCUM`);
    } else if (typeof quantity.code !== 'string') {
      problems.push(`${path} without a code`);
    } else {
      const problem = problemOfCode(quantity.code);
      if (problem) problems.push(`${path} ${problem}`);
    }
  }
  return problems;
});
