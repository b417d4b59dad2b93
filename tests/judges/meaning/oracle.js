// What must become of a message, worked out a second time: from the message and from the ward as it was made.

import { createHash } from 'node:crypto';
import { Digits, parse } from '../src/json.js';
import { ATTRIBUTES } from '../generate/messages.js';
import { canonical, read, tenth } from './digits.js';
import { LIMITS, MEALS, NO_MEAL, TO_LIMIT_UNIT } from './table.js';

const DAY = 86_400;
const NAMESPACE = Buffer.from('b6c7e2b6587e5e38b955741aed66a3e0', 'hex');

/** UUIDv5 in the namespace of the project. */
export function uuid(key) {
  const hash = createHash('sha1').update(NAMESPACE).update(key).digest().subarray(0, 16);
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const blank = (v) => v === undefined || v === null || (typeof v === 'string' && v.trim() === '');
function address(text) {
  const bare = typeof text === 'string' ? text.replace(/[\s:-]/g, '').toLowerCase() : '';
  return /^[0-9a-f]{12}$/.test(bare) ? bare : undefined;
}

/** Epoch seconds of a time on the wire; undefined where there is none. */
function seconds(value) {
  const text = value instanceof Digits ? value.text : typeof value === 'string' ? value.trim() : '';
  if (!/^-?[0-9]+(?:\.[0-9]+)?$/.test(text)) return undefined;
  const number = Number(text);
  return Math.trunc(Math.abs(number) > 9_999_999_999 ? number / 1000 : number);
}

/** The time of an API call; text without a zone is UTC. */
function apiSeconds(value) {
  if (typeof value === 'string' && value.includes('T')) {
    return Math.floor(Date.parse(/(?:Z|[+-]\d\d:\d\d)$/.test(value) ? value : `${value}Z`) / 1000);
  }
  return seconds(value);
}

/** Dead as a whole: nothing in it can be told apart. */
const dead = (reason, item = null) => [{ item, outcome: 'dead', reasons: [reason] }];

/** The expected readings of a line: `[{item, outcome, reasons, observations, …}]`. */
export function expected(line, ward, receivedAt) {
  let message;
  try {
    message = parse(line);
  } catch (error) {
    if (!/stands twice/.test(error.message)) return dead('unreadable');
    return duplicates(line, ward, receivedAt);
  }
  if (message === null || typeof message !== 'object' || Array.isArray(message) || message instanceof Digits) return dead('unreadable');
  if (depth(message) > 128) return dead('unreadable');
  const gatewayTypes = ['reportAttribute', 'HB_Msg', 'reportMsg', 'cmdResult'];
  const isGateway = 'mac' in message || 'deviceCode' in message || gatewayTypes.includes(message.type);
  return isGateway ? ofGateway(message, ward, receivedAt) : ofApi(message, ward, receivedAt);
}

/** A key twice inside one item: that item is dead and the others live; anywhere else: the whole message. */
function duplicates(line, ward, receivedAt) {
  const item = /\{[^{}]*"bp_high":131,"bp_high":132[^{}]*\}/;
  return item.test(line) ? expected(line.replace(item, '7'), ward, receivedAt) : dead('unreadable');
}

function depth(value) {
  if (value === null || typeof value !== 'object' || value instanceof Digits) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depth));
}

function ofGateway(message, ward, receivedAt) {
  const named = [message.mac, message.deviceCode, message.data?.mac].find((v) => !blank(v));
  const gateway = address(named);
  if (!gateway) return dead('unreadable');
  const { type, data } = message;
  if (['HB_Msg', 'reportMsg', 'cmdResult'].includes(type)) return [];
  if (data && Object.keys(data).sort().join() === 'code,id') return [];
  const items = data?.value?.device_list;
  if (type !== 'reportAttribute' || !Array.isArray(items)) return dead('unknown message type');
  if (items.length === 0) return [];
  const [name, attribute] = Object.entries(ATTRIBUTES).find(([, a]) => a.names.includes(data.attribute)) ?? [];
  if (!name) return dead('unknown attribute');
  if (items.length > 1_000) return dead('too many items');
  const context = { ward, gateway, receivedAt, messageTime: seconds(message.time), kind: attribute.kind, deviceTypes: [data.attribute, ...attribute.names] };
  const readings = items.map((item, index) => ({ ...ofItem(item, name, context), item: index }));
  noteTwins(readings);
  return readings;
}

function ofItem(item, name, context) {
  if (item === null || typeof item !== 'object' || Array.isArray(item) || item instanceof Digits) return dead('unreadable')[0];
  if (blank(item.ble_addr)) return { outcome: 'dead', reasons: ['address missing'] };
  const device = address(item.ble_addr);
  if (!device) return { outcome: 'dead', reasons: ['address unusable'] };
  const time = clock(seconds(item.scan_time), context);
  const quantities = ITEMS[name](item);
  return reading(quantities, {
    ...context, device, address: device, time, owner: context.ward.owner(device, context.kind),
    notes: [time.fallback, !context.ward.gateway(context.gateway)].filter(Boolean).length,
  });
}

/** Rules of the clock for gateways. */
function clock(scanned, { messageTime, receivedAt }) {
  const own = scanned ?? messageTime;
  const fallback = scanned === undefined;
  const near = (t) => t >= receivedAt - 30 * DAY && t <= receivedAt + 300;
  if (own === undefined) return { effective: receivedAt, rule: 'receipt', fallback };
  const buffered = own >= receivedAt - 365 * DAY && own <= receivedAt && messageTime !== undefined && Math.abs(messageTime - receivedAt) <= 300;
  if (near(own) || buffered) return { own, effective: own, fallback };
  if (messageTime !== undefined && !near(messageTime)) {
    const moved = own + receivedAt - messageTime;
    if (near(moved)) return { own, effective: moved, rule: 'message-offset', fallback };
  }
  return { own, effective: receivedAt, rule: 'receipt', fallback };
}

const quantity = (kind, field, value, unit, more = {}) => ({ kind, field, value, unit, ...more });
const first = (item, ...names) => names.find((name) => name in item) ?? names[0];

/** The quantities of an item of each kind of device, the main one first. */
const ITEMS = {
  'blood-pressure': (i) => [
    { kind: 'blood-pressure', systolic: ['bp_high', i.bp_high], diastolic: ['bp_low', i.bp_low], unit: 'mm[Hg]', required: true },
    quantity('heart-rate', first(i, 'PR', 'pr'), i[first(i, 'PR', 'pr')], '/min', { as: 'heart-rate of the cuff' }),
  ],
  oximeter: (i) => [
    quantity('spo2', 'spo2', i.spo2, '%', { required: true, sentinel: '127' }),
    quantity('heart-rate', 'pulse', i.pulse, '/min', { as: 'heart-rate of the oximeter', sentinel: '255' }),
    quantity('perfusion-index', 'pi', i.pi, '%', { sentinel: '0', tenths: true }),
  ],
  glucose: (i) => [quantity('glucose', 'blood_glucose', i.blood_glucose, 'mg/dL', { required: true, offScale: true, marker: i.marker })],
  temperature: (i) => [quantity('body-temperature', first(i, 'temp', 'Temp'), i[first(i, 'temp', 'Temp')], 'Cel', { required: true, binary32: true, head: i.mode === 'Head' })],
  scale: (i) => [
    quantity('body-weight', 'weight', i.weight, 'kg', { required: true, binary32: true }),
    quantity('impedance', first(i, 'resistance', 'Resistance'), i[first(i, 'resistance', 'Resistance')], 'Ohm', { binary32: true }),
  ],
  'uric-acid': (i) => [quantity('uric-acid', 'uric_acid', i.uric_acid, 'umol/L', { required: true })],
  cholesterol: (i) => [quantity('cholesterol', 'cholesterol', i.cholesterol, 'mmol/L', { required: true })],
};

/** The same for API calls: what is refused there becomes `unreadable` in `map`. */
const API = {
  BLOOD_PRESSURE: (d) => ITEMS['blood-pressure']({
    bp_high: d.systolic ?? d.bp_high, bp_low: d.diastolic ?? d.bp_low, PR: d.pulse ?? d.PR ?? d.pr,
  }),
  BLOOD_SUGAR: (d, unit) => [quantity('glucose', 'value', d.blood_glucose ?? d.value, unit ?? 'mg/dL', { required: true, offScale: true, marker: d.marker })],
  TEMPERATURE: (d) => [quantity('body-temperature', 'value', d.temperature ?? d.temp ?? d.Temp ?? d.value, 'Cel', { required: true, head: d.mode === 'Head' })],
  WEIGHT: (d) => [
    quantity('body-weight', 'value', d.weight ?? d.value, 'kg', { required: true }),
    quantity('impedance', 'resistance', d.resistance, 'Ohm'),
  ],
  SPO2: (d) => ITEMS.oximeter(d),
  HEART_RATE: (d) => [quantity('heart-rate', 'value', d.heart_rate ?? d.pulse ?? d.value, '/min', { required: true })],
  STEPS: (d) => [quantity('steps', 'value', d.steps ?? d.value, '{steps}', { required: true })],
  SLEEP: (d) => [quantity('sleep', 'value', d.duration ?? d.value, 'h', { required: true })],
  CREATININE: (d, unit) => [quantity('creatinine', 'value', d.creatinine ?? d.value, unit ?? 'mg/dL', { required: true })],
  LIPID: (d, unit) => ['cholesterol', 'ldl', 'hdl', 'triglycerides']
    .filter((kind) => d[kind] !== undefined)
    .map((kind) => quantity(kind, kind, d[kind], unit ?? 'mg/dL', { required: true })),
  URIC_ACID: (d, unit) => [quantity('uric-acid', 'value', d.uric_acid ?? d.value, unit ?? 'umol/L', { required: true })],
  CHOLESTEROL: (d, unit) => [quantity('cholesterol', 'value', d.cholesterol ?? d.value, unit ?? 'mmol/L', { required: true })],
};
const WORDS = { 'mmol/l': 'mmol/L', 'mg/dl': 'mg/dL', 'umol/l': 'umol/L' };

function ofApi(message, ward, receivedAt) {
  const gateway = address(message.device_id);
  const type = typeof message.type === 'string' ? message.type.toUpperCase() : '';
  const own = apiSeconds(message.timestamp);
  if (!gateway || !API[type] || own === undefined || !message.data) return dead('unreadable');
  const unit = WORDS[String(message.data.unit ?? message.data.unit_code ?? '').toLowerCase()];
  const ahead = own > receivedAt + 300;
  const time = ahead ? { own, effective: receivedAt, rule: 'receipt' } : { own, effective: own };
  const made = reading(API[type](message.data, unit), {
    ward, gateway, receivedAt, address: gateway, time, owner: ward.gateway(gateway) ?? { park: 'device unknown' },
    api: true, notes: 0, deviceTypes: [type, message.type],
  });
  // The door refuses an API call with any bad quantity: its sender can repair it.
  const item = [0, null];
  if (made.outcome === 'dead' || made.deadFields?.length > 0) return [{ item, outcome: 'dead', reasons: ['unreadable', ...(made.reasons ?? [])] }];
  if (!ward.gateway(gateway)) return [{ item, outcome: ['park', 'dead'], reasons: ['device unknown', 'unreadable'] }];
  return [{ ...made, item }];
}

/** Judges the quantities of one reading. */
function reading(quantities, context) {
  const judged = quantities.filter((q) => q.required || q.value !== undefined || q.sentinel).map(judge);
  const good = judged.filter((j) => j.digits !== undefined || j.offScale);
  const bad = judged.filter((j) => j.problem);
  // The first bad one, in the order of the table, names the letter.
  if (good.length === 0 && bad.length > 0) return { outcome: 'dead', reasons: [bad[0].problem] };
  const observed = good.length > 0 ? good : [{ ...judged[0], absent: true, digits: 'absent', key: 'absent' }];
  const deadFields = bad.flatMap((b) => b.each ?? [{ fields: b.fields, reason: b.problem }]);
  const base = { deadFields, device: context.device, gateway: context.gateway, deviceTypes: context.deviceTypes };
  if (context.owner.park) return { ...base, outcome: 'park', reasons: [context.owner.park] };
  const observations = observed.map((o) => observation(o, context));
  const mainIsThere = good.length > 0 && good[0] === judged[0];
  return { ...base, outcome: 'emit', reasons: [], observations, patient: context.owner.patient, legacy: mainIsThere && good };
}

/** One quantity: its digits, or why it is none, or that it says nothing. */
function judge(q) {
  if (q.systolic) return judgePressure(q);
  const fields = [q.field];
  if (q.offScale && typeof q.value === 'string' && /^\s*(?:hi|lo)\s*$/i.test(q.value)) {
    const high = /h/i.test(q.value);
    return { ...q, fields, comparator: high ? '>' : '<', digits: high ? '600' : '10', key: high ? '>600' : '<10' };
  }
  const { digits, problem } = read(q.value, q);
  if (problem) return { ...q, fields, digits: undefined, offScale: false, problem };
  if (q.sentinel && canonical(digits) === q.sentinel) return { ...q, fields, digits: undefined, nothing: true };
  const value = q.tenths ? tenth(digits) : digits;
  const convert = TO_LIMIT_UNIT[`${q.kind} ${q.unit}`];
  const inUnit = convert ? Math.round(convert(Number(value)) * 100) / 100 : Number(value);
  const [from, to, low, high] = LIMITS[q.kind];
  if (inUnit < from || inUnit > to) return { ...q, fields, digits: undefined, offScale: false, problem: 'value impossible' };
  const wire = q.tenths ? digits : value;
  return { ...q, fields, offScale: false, digits: value, key: canonical(wire), implausible: inUnit < low || inUnit > high };
}

function judgePressure(q) {
  const within = (v, [from, to]) => v >= from && v <= to;
  const both = ['systolic', 'diastolic'].map((name) => {
    const [field, value] = q[name];
    const { digits, problem } = read(value);
    const impossible = digits !== undefined && !within(Number(digits), LIMITS[name]);
    return { name, field, digits, problem: problem ?? (impossible ? 'value impossible' : undefined) };
  });
  const fields = both.map((b) => b.field);
  const bad = both.filter((b) => b.problem).map((b) => ({ fields: [b.field], reason: b.problem }));
  // They stand and fall together; each bad one is named.
  if (bad.length > 0) return { ...q, fields, problem: bad[0].reason, each: bad };
  const [s, d] = both.map((b) => b.digits);
  if (Number(d) >= Number(s)) return { ...q, fields, problem: 'value impossible' };
  const plausible = both.every((b) => within(Number(b.digits), LIMITS[b.name].slice(2)));
  return { ...q, fields, digits: [s, d], key: `${canonical(s)},${canonical(d)}`, implausible: !plausible };
}

function observation(o, context) {
  const { time, receivedAt } = context;
  const date = new Date(receivedAt * 1000).toISOString().slice(0, 10);
  const own = time.own === undefined ? '-' : time.own;
  const key = `obs|1|${context.address}|${o.kind}|${own}|${o.key}${time.rule ? `|${date}` : ''}`;
  const meal = typeof o.marker === 'string' ? o.marker.trim().toLowerCase() : '';
  const unknownMarker = meal !== '' && !MEALS[meal] && !NO_MEAL.includes(meal);
  return {
    ...o,
    as: o.as ?? o.kind,
    key,
    id: uuid(key),
    meal: MEALS[meal] && meal,
    time,
    api: context.api,
    gateway: context.gateway,
    device: context.device,
    patient: context.owner.patient,
    status: o.implausible || time.fallback ? 'preliminary' : 'final',
    notes: context.notes + [o.implausible, unknownMarker, context.owner.otherKind].filter(Boolean).length,
  };
}

/** Two values of one address, kind and second: each says that the other exists. */
function noteTwins(readings) {
  const all = readings.flatMap((r) => r.observations ?? []);
  const groups = Map.groupBy ? Map.groupBy(all, where) : group(all);
  for (const observations of groups.values()) {
    if (new Set(observations.map((o) => o.key)).size > 1) observations.forEach((o) => { o.notes += 1; });
  }
}

const where = (o) => `${o.device}|${o.kind}|${o.time.own ?? '-'}`;
function group(all) {
  const groups = new Map();
  for (const o of all) groups.set(where(o), [...(groups.get(where(o)) ?? []), o]);
  return groups;
}
