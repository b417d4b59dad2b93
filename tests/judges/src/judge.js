// What every judge written in JavaScript does: read one resource a line, write one finding a line.
//
// A judge is a process: `judge FILE` prints `{"line":n,"problem":"…"}` for each fault that it finds,
// `{"line":n,"stumbled":"…"}` where it fails itself (never a catch, always an error of the run), and
// `{"judged":n}` at the end. A judge that stops before that end has judged nothing.

import { createReadStream, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Where the packages are: provision.js puts them there. */
export const CACHE = process.env.JUDGES_CACHE ?? join(import.meta.dirname, '..', '..', '.cache', 'judges');

/** Loads a package from the judges' cache folder. */
export const load = createRequire(join(CACHE, 'js', 'package.json'));

/** Reads a definition of hl7.fhir.r5.core, such as `StructureDefinition-Observation`; undefined where there is none. */
export function definition(name, from = 'hl7.fhir.r5.core') {
  try {
    return JSON.parse(readFileSync(join(CACHE, 'js', 'node_modules', from, `${name}.json`), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Runs `problemsOf(text)`, which returns (or resolves to) a list of texts, over the file named on the command line. */
export async function judge(problemsOf) {
  let line = 0;
  const out = [];
  for await (const text of createInterface({ input: createReadStream(process.argv[2]) })) {
    line += 1;
    try {
      for (const problem of await problemsOf(text)) out.push(JSON.stringify({ line, problem }));
    } catch (error) {
      out.push(JSON.stringify({ line, stumbled: error.message }));
    }
  }
  out.push(JSON.stringify({ judged: line }));
  process.stdout.write(`${out.join('\n')}\n`);
}
