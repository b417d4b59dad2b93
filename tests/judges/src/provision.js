// Fetches what the judges are made of into the cache folder, once for each pinned version.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { slim } from './slim.js';

const run = promisify(execFile);
const HERE = join(import.meta.dirname, '..');

/** `name` is made anew where what it is made from has changed; a half-made one is never used. */
async function part(cache, name, sources, make) {
  const hash = createHash('sha256');
  for (const source of sources) hash.update(readFileSync(join(HERE, source)));
  const made = hash.digest('hex');
  const folder = join(cache, name);
  const stamp = join(folder, '.made-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === made) return;
  process.stderr.write(`judges: fetching ${name}\n`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  try {
    await make(folder);
  } catch (error) {
    throw new Error(`cannot provision ${name}: ${error.stderr || error.message}`);
  }
  writeFileSync(stamp, made);
}

/** Makes every part that is missing. */
export async function provision(cache) {
  await Promise.all([
    part(cache, 'js', ['package.json', 'package-lock.json'], async (folder) => {
      for (const file of ['package.json', 'package-lock.json']) cpSync(join(HERE, file), join(folder, file));
      await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder });
    }),
    part(cache, 'python', ['requirements.txt'], async (folder) => {
      await run('python3', ['-m', 'venv', join(folder, 'venv')]);
      await run(join(folder, 'venv/bin/pip'), ['install', '-q', '--no-deps', '-r', join(HERE, 'requirements.txt')]);
    }),
    part(cache, 'hapi', ['pom.xml', 'judges/hapi/Hapi.java', 'src/slim.js', 'src/provision.js'], async (folder) => {
      const libs = join(folder, 'libs');
      const pom = join(HERE, 'pom.xml');
      await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${libs}`]);
      const source = join(HERE, 'judges/hapi/Hapi.java');
      await run('javac', ['-nowarn', '-cp', join(libs, '*'), '-d', join(folder, 'classes'), source]);
      // HAPI reads its 1.5 MB of OIDs anew for each resource; ours have none. This one is found first.
      writeFileSync(join(folder, 'classes', 'oidregistry.csv'), 'oid,name\n');
      slim(libs, join(folder, 'definitions.ndjson'));
    }),
  ]);
}

/** How each judge is started; the file to judge is added. */
export function judges(cache) {
  const js = (name) => [process.execPath, join(HERE, 'judges', `${name}.js`)];
  const hapi = join(cache, 'hapi');
  return {
    hapi: [
      'java', '-Xmx900m', '-XX:+UseSerialGC', '-cp', `${join(hapi, 'classes')}:${join(hapi, 'libs')}/*`,
      'Hapi', join(hapi, 'definitions.ndjson'),
    ],
    schema: js('schema'),
    models: [join(cache, 'python/venv/bin/python'), join(HERE, 'judges/models.py')],
    invariants: js('invariants'),
    snapshot: js('snapshot'),
    ucum: js('ucum'),
  };
}
