// JSON without loss: a number keeps its digits, a key that stands twice is an error, the order of keys stays.

/** A number as it was written. */
export class Digits {
  constructor(text) {
    this.text = text;
  }
  valueOf() {
    return Number(this.text);
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const BLANK = /[ \t\r\n]*/y;

/** Parses a text; throws on anything that is not JSON, and on a key that stands twice in one object. */
export function parse(text) {
  let at = 0;
  const fail = (what) => {
    throw new SyntaxError(`${what} at ${at}`);
  };
  const match = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found?.[0];
  };
  const blank = () => match(BLANK);
  const string = () => JSON.parse(match(STRING) ?? fail('no string'));
  const list = (close, item) => {
    at += 1;
    blank();
    if (text[at] === close) {
      at += 1;
      return;
    }
    for (;;) {
      item();
      blank();
      const sign = text[at];
      at += 1;
      if (sign === close) return;
      if (sign !== ',') fail(`no , or ${close}`);
      blank();
    }
  };
  const value = () => {
    blank();
    switch (text[at]) {
      case '{': {
        const object = {};
        list('}', () => {
          const key = string();
          if (Object.hasOwn(object, key)) fail(`${key} stands twice`);
          blank();
          if (text[at] !== ':') fail('no :');
          at += 1;
          object[key] = value();
        });
        return object;
      }
      case '[': {
        const array = [];
        list(']', () => array.push(value()));
        return array;
      }
      case '"':
        return string();
      default: {
        for (const [word, meaning] of [['true', true], ['false', false], ['null', null]]) {
          if (text.startsWith(word, at)) {
            at += word.length;
            return meaning;
          }
        }
        return new Digits(match(NUMBER) ?? fail('no value'));
      }
    }
  };
  const result = value();
  blank();
  return at === text.length ? result : fail('more after the end');
}

/** Writes what `parse` has read, and plain JavaScript values. */
export function write(value) {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${write(member)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

/** The same with ordinary numbers. */
export function plain(value) {
  if (value instanceof Digits) return Number(value.text);
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
  }
  return value;
}
