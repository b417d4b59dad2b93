// Numbers as the wire has them, as decimal text.

import { Digits } from '../src/json.js';

const PLAIN = /^-?[0-9]+(?:\.[0-9]+)?$/;

/** The shortest decimal that is the same binary32. */
export function shortestBinary32(text) {
  const wanted = Math.fround(Number(text));
  for (let digits = 1; digits <= 9; digits += 1) {
    const short = Number(wanted.toPrecision(digits));
    if (Math.fround(short) === wanted) return String(short);
  }
  return String(wanted);
}

/** Without zeros before the first and after the last digit that says something. */
export function canonical(text) {
  const [, sign, whole, fraction = ''] = /^(-?)0*([0-9]+?)(?:\.([0-9]*?)0*)?$/.exec(text);
  const plain = fraction === '' ? whole : `${whole}.${fraction}`;
  return plain === '0' ? plain : sign + plain;
}

/** `{digits}`, or `{problem}`: how a value is written in a resource. */
export function read(value, { binary32 = false } = {}) {
  if (value === undefined || value === null) return { problem: 'value missing' };
  if (value instanceof Digits) {
    if (binary32) return { digits: shortestBinary32(value.text) };
    return PLAIN.test(value.text) ? { digits: canonical(value.text) } : { problem: 'value not numeric' };
  }
  if (typeof value !== 'string') return { problem: 'value not numeric' };
  const text = value.trim();
  if (text === '') return { problem: 'value missing' };
  if (!PLAIN.test(text)) return { problem: 'value not numeric' };
  // A text keeps the digits after its point; only zeros before the number go.
  return { digits: text.replace(/^(-?)0+(?=[0-9])/, '$1') };
}

/** A text with its point moved to the left. */
export function tenth(text) {
  const [, sign, whole, fraction = ''] = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(text);
  const padded = whole.padStart(2, '0');
  return canonical(`${sign}${padded.slice(0, -1)}.${padded.slice(-1)}${fraction}`);
}
