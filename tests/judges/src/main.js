// Sends messages through `stardust map` and every resource that comes out to every judge.

import { execFile, spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, promisify } from 'node:util';
import { plant } from '../faults.js';
import { histories } from '../generate/histories.js';
import { Messages } from '../generate/messages.js';
import { Random } from '../generate/random.js';
import { world } from '../generate/world.js';
import { compare } from '../meaning/compare.js';
import { compareEntry } from '../meaning/histories.js';
import { faults as faultsOfMeaning, place } from '../meaning/faults.js';
import { expected } from '../meaning/oracle.js';
import { Digits, parse, write } from './json.js';
import { judges, provision } from './provision.js';

const HERE = join(import.meta.dirname, '..');
const ROOT = join(HERE, '..', '..');
const CACHE = process.env.JUDGES_CACHE ?? join(HERE, '..', '.cache', 'judges');
/** Entries of each history collection. */
const ENTRIES = 30;
/** Kinds of failure that are shown of each judge. */
const SHOWN = 40;
const RECEIVED_AT = '2026-03-01T00:00:00Z';
const HELP = `Usage: tests/judges/run [--messages N] [--binary PATH] [--seed N] [--without JUDGE]

  --messages N     how many messages go through \`stardust map\` (1000)
  --binary PATH    the stardust to judge; without it: \`cargo build -p stardust\`
  --seed N         other messages than usual (1)
  --entries N      how large the invented hospital is whose registry is migrated (2000); 0: none
  --resources FILE only the resources of this file, one a line, and the planted faults; no stardust needed
  --without JUDGE  leaves a judge out; may stand more than once
  --faults-only    only the planted faults, no stardust needed
  --fetch-only     only fetches the judges

Example: tests/judges/run --messages 10000 --binary target/release/stardust
`;

async function main() {
  const { values: options } = parseArgs({
    options: {
      messages: { type: 'string', default: '1000' },
      binary: { type: 'string' },
      seed: { type: 'string', default: '1' },
      entries: { type: 'string', default: '2000' },
      resources: { type: 'string' },
      without: { type: 'string', multiple: true, default: [] },
      'faults-only': { type: 'boolean', default: false },
      'fetch-only': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (options.help) return void process.stdout.write(HELP);
  const count = Number(options.messages);
  if (!Number.isInteger(count) || count < 0) throw new Error('--messages takes a whole number');

  mkdirSync(CACHE, { recursive: true });
  await provision(CACHE);
  if (options['fetch-only']) return;
  const folder = mkdtempSync(join(CACHE, 'run-'));
  const report = new Report();
  let mapped = [];
  if (options.resources) {
    mapped = await resourcesOf(options.resources);
  } else if (!options['faults-only']) {
    options.binary ??= await build();
    mapped = await map(folder, count, options, report);
    if (options.entries !== '0') mapped = mapped.concat(await registry(folder, options));
  }

  const good = JSON.parse(readFileSync(join(HERE, 'fixtures', 'good.json'), 'utf8'));
  const cases = [
    ...Object.entries(good).map(([name, resource]) => ({ name: `fixture ${name}`, text: JSON.stringify(resource) })),
    ...plant(good).map(({ name, resource }) => ({ name, text: JSON.stringify(resource), faulty: true })),
    ...mapped,
  ];
  const file = join(folder, 'resources.ndjson');
  writeFileSync(file, cases.map(({ text }) => `${text}\n`).join(''));
  const started = Date.now();
  const bench = Object.entries(judges(CACHE)).filter(([name]) => !options.without.includes(name));
  const verdicts = await Promise.all(bench.map(async ([name, command]) => [name, await hear(name, command, file, folder)]));
  report.take(cases, verdicts);
  report.say(mapped.length, (Date.now() - started) / 1000);
  if (report.failed) process.stdout.write(`judges: what was judged is kept in ${folder}\n`);
  else rmSync(folder, { recursive: true });
  process.exitCode = report.failed ? 1 : 0;
}

/** The resources that `stardust map` makes of the messages; what they mean is compared on the way. */
async function map(folder, count, options, report) {
  const random = new Random(Number(options.seed));
  const ward = world(random);
  const receivedAt = Date.parse(RECEIVED_AT) / 1000;
  const lines = [...new Messages(random, ward, receivedAt).lines(count)];
  const registry = join(folder, 'registry');
  mkdirSync(registry);
  writeFileSync(join(registry, 'amy_boxes.json'), ward.boxes.map((d) => `${JSON.stringify(d)}\n`).join(''));
  writeFileSync(join(registry, 'amy_devices.json'), JSON.stringify(ward.devices, null, 1));
  writeFileSync(join(registry, 'patients.json'), ward.patients.map((d) => `${JSON.stringify(d)}\n`).join(''));
  // The last line is no UTF-8: no text can hold it.
  const input = join(folder, 'messages.ndjson');
  writeFileSync(input, Buffer.concat([Buffer.from(lines.map((l) => `${l}\n`).join('')), Buffer.from([0x7b, 0xff, 0x7d, 0x0a])]));
  const output = join(folder, 'mapped.ndjson');
  await toFile(options.binary, ['map', '--registry', registry, '--received-at', RECEIVED_AT], { input, output });

  const resources = [];
  const planted = new Map(faultsOfMeaning.map((fault) => [fault[0], fault]));
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(output) })) {
    const wanted = line < lines.length ? expected(lines[line], ward, receivedAt) : [{ item: null, outcome: 'dead', reasons: ['unreadable'] }];
    line += 1;
    const actual = parse(text);
    const problems = Number(actual.line) === line ? compare(actual, wanted, receivedAt) : [`line ${actual.line}`];
    problems.forEach((problem) => report.wrong('meaning', `message ${line}`, problem));
    report.count(actual.readings, wanted);
    if (problems.length === 0) plantInMeaning(planted, text, wanted, receivedAt, report);
    // Of a message that is there for its length, a few are enough for the judges.
    for (const [at, reading] of actual.readings.slice(0, 20).entries()) {
      for (const resource of [...(reading.observations ?? []), ...(reading.audit ?? [])]) {
        resources.push({ name: `message ${line}, reading ${at}, ${resource.resourceType}`, text: write(resource) });
      }
    }
  }
  for (const name of planted.keys()) report.wrong('meaning', name, 'a fault for which no message was found');
  if (line !== lines.length + 1) report.wrong('meaning', 'map', `${line} answers to ${lines.length + 1} messages`);
  resources.push(...(await mapHistories(folder, { random, ward, receivedAt, binary: options.binary, registry }, report)));
  return resources;
}

/** The resources that `stardust map --history` makes of documents of the collections that exist. */
async function mapHistories(folder, { random, ward, receivedAt, binary, registry }, report) {
  const resources = [];
  for (const [collection, { documents, entries }] of Object.entries(histories(random, ward, ENTRIES))) {
    const [input, output] = [join(folder, `${collection}.ndjson`), join(folder, `${collection}.mapped.ndjson`)];
    writeFileSync(input, documents.map((d) => `${d}\n`).join(''));
    await toFile(binary, ['map', '--registry', registry, '--received-at', RECEIVED_AT, '--history', collection], { input, output });
    let at = 0;
    for await (const text of createInterface({ input: createReadStream(output) })) {
      const actual = parse(text);
      const entry = entries[at];
      at += 1;
      const name = `${collection}, entry ${at}`;
      const problems = entry ? compareEntry(actual, entry, receivedAt) : ['more entries than there are'];
      problems.forEach((problem) => report.wrong('meaning', name, problem));
      report.count(actual.readings, (entry?.wanted ?? []).map(({ as }) => ({ observations: [{ as: `${as} (migrated)` }] })));
      for (const reading of actual.readings) {
        for (const resource of [...reading.observations, ...reading.audit]) {
          resources.push({ name: `${name}, ${resource.resourceType}`, text: write(resource) });
        }
      }
    }
    if (at !== entries.length) report.wrong('meaning', collection, `${at} answers to ${entries.length} entries`);
  }
  return resources;
}

/** Plants every fault of meaning that has its place in this line, each in a copy, and looks whether it is noticed. */
function plantInMeaning(planted, text, wanted, receivedAt, report) {
  for (const [name, [, kind, change]] of planted) {
    const [at, index] = place(kind, wanted) ?? [];
    if (at === undefined) continue;
    planted.delete(name);
    const copy = parse(text);
    const r = copy.readings[at];
    change({ r, o: r.observations[index], digits: (number) => new Digits(String(number)) });
    report.faultOfMeaning(name, compare(copy, wanted, receivedAt).length > 0);
  }
}

/** The resources that `stardust migrate registry` makes of an invented hospital. */
async function registry(folder, { binary, entries, seed }) {
  const run = promisify(execFile);
  const hospital = join(folder, 'hospital');
  await run(join(dirname(binary), 'hospital'), ['--entries', entries, '--seed', seed, '--every-oddity', '--format', 'ndjson', '--out', hospital]);
  const data = ['--data-dir', join(folder, 'data')];
  await run(binary, [...data, 'migrate', 'registry', '--from', hospital]);
  const output = join(folder, 'registry.ndjson');
  await toFile(binary, [...data, 'export', 'registry'], { output });
  const made = await resourcesOf(output);
  const types = new Set(made.map(({ text }) => JSON.parse(text).resourceType));
  for (const type of ['Organization', 'Patient', 'Device', 'DeviceAssociation']) {
    if (!types.has(type)) throw new Error(`migrate registry made no ${type}`);
  }
  return made;
}

/** The lines of a file as cases. */
async function resourcesOf(file) {
  const cases = [];
  for await (const text of createInterface({ input: createReadStream(file) })) {
    if (text.trim() === '') continue;
    const { resourceType, id } = JSON.parse(text);
    cases.push({ name: `${resourceType} ${id}`, id, text });
  }
  return cases;
}

async function build() {
  process.stderr.write('judges: cargo build --workspace --bins\n');
  await promisify(execFile)('cargo', ['build', '--quiet', '--workspace', '--bins'], { cwd: ROOT });
  return join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug', 'stardust');
}

/** Runs a command between files; fails with its last words where it does. */
function toFile(command, args, { input, output }) {
  const stdin = input ? openSync(input) : 'ignore';
  const stdout = openSync(output, 'w');
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: [stdin, stdout, 'pipe'] });
    let words = '';
    child.stderr.on('data', (data) => {
      words = (words + data).slice(-4_000);
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}: ${words}`))));
  }).finally(() => [stdin, stdout].forEach((fd) => typeof fd === 'number' && closeSync(fd)));
}

/** The findings of a judge: for each line its problems; throws where it did not judge all of them. */
async function hear(name, [command, ...args], file, folder) {
  const output = join(folder, `${name}.ndjson`);
  const started = Date.now();
  await toFile(command, [...args, file], { output });
  const findings = readFileSync(output, 'utf8').trimEnd().split('\n').map((text) => JSON.parse(text));
  const { judged } = findings.pop();
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').length;
  if (judged !== lines) throw new Error(`${name} judged ${judged} of ${lines} resources`);
  return { findings, seconds: (Date.now() - started) / 1000 };
}

/** Counts and failures; says them at the end. */
class Report {
  failures = [];
  meaning = 0;
  outcomes = {};
  seen = {};

  wrong(judge, name, what, id) {
    this.failures.push({ judge, name, what, id });
  }

  get failed() {
    return this.failures.length > 0;
  }

  faultOfMeaning(name, noticed) {
    this.meaning += 1;
    if (!noticed) this.wrong('meaning', name, 'a planted fault that went unnoticed');
  }

  count(readings, wanted) {
    for (const [at, { outcome, reason }] of readings.entries()) {
      const label = reason ? `${outcome}: ${reason}` : outcome;
      this.outcomes[label] = (this.outcomes[label] ?? 0) + 1;
      for (const { as } of wanted[at]?.observations ?? []) this.seen[as] = (this.seen[as] ?? 0) + 1;
    }
  }

  take(cases, verdicts) {
    const caughtBy = cases.map(() => new Set());
    this.judges = [];
    for (const [judge, { findings, seconds }] of verdicts) {
      for (const { line, problem, stumbled } of findings) {
        const { name, id, faulty } = cases[line - 1];
        if (stumbled !== undefined) this.wrong(judge, name, `the judge itself failed: ${stumbled}`);
        else if (faulty) caughtBy[line - 1].add(judge);
        else this.wrong(judge, name, problem, id);
      }
      const caught = caughtBy.filter((by) => by.has(judge)).length;
      if (caught < 2) this.wrong(judge, 'planted faults', `caught ${caught} of them`);
      this.judges.push({ judge, caught, seconds });
    }
    this.faults = cases.filter(({ faulty }) => faulty).length;
    cases.forEach(({ name, faulty }, i) => {
      if (faulty && verdicts.length > 0 && caughtBy[i].size === 0) this.wrong('all', name, 'a planted fault that no judge caught');
    });
  }

  /** For each judge a line for each kind of failure, the most frequent first, with its first place. */
  grouped() {
    const judges = new Map();
    for (const { judge, name, what, id } of this.failures) {
      const key = what
        .replace(/^reading \d+: /, '')
        .replaceAll(`'${id}'`, '…')
        .replace(/[0-9a-f-]{36}/g, '…')
        .replace(/\[\d+\]/g, '[…]');
      const groups = judges.get(judge) ?? new Map();
      const group = groups.get(key) ?? { count: 0, first: `${name}: ${what}` };
      group.count += 1;
      judges.set(judge, groups.set(key, group));
    }
    return [...judges].flatMap(([judge, groups]) => {
      const sorted = [...groups.values()].sort((a, b) => b.count - a.count);
      const lines = sorted.slice(0, SHOWN).map(({ count, first }) => `  ${count} × ${judge}: ${first}`);
      return sorted.length > SHOWN ? [...lines, `  and ${sorted.length - SHOWN} more kinds of ${judge}`] : lines;
    });
  }

  say(resources, seconds) {
    const lines = [];
    for (const [label, number] of Object.entries(this.outcomes).sort()) lines.push(`  ${String(number).padStart(6)}  ${label}`);
    for (const [label, number] of Object.entries(this.seen).sort()) lines.push(`  ${String(number).padStart(6)}  Observations of ${label}`);
    for (const { judge, caught, seconds: took } of this.judges) {
      lines.push(`  ${judge.padEnd(11)} caught ${caught} of ${this.faults} planted faults, ${took.toFixed(1)} s`);
    }
    lines.push(`  meaning     was asked ${this.meaning} planted faults`);
    const verdict = this.failed ? `FAILED, ${this.failures.length} findings:\n${this.grouped().join('\n')}` : 'passed';
    process.stdout.write(`${lines.join('\n')}\njudges: ${resources} resources in ${seconds.toFixed(0)} s: ${verdict}\n`);
  }
}

main().catch((error) => {
  process.stderr.write(`judges: ${error.message}\n`);
  process.exitCode = 2;
});
