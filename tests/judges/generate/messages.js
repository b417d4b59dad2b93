// Messages as gateways and people send them: every kind, every alias, every trap.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '../meaning/table.js';
import { Digits, write } from '../src/json.js';

const n = (text) => new Digits(String(text));
const DAY = 86_400;

/** The attributes with their aliases, and the field under which the registry has their devices. */
export const ATTRIBUTES = {
  'blood-pressure': { kind: 'blood-pressure', names: ['BP_BIOLIGTH', 'WBP BIOLIGHT', 'BLE_BPG', 'WBP_JUMPER'] },
  oximeter: { kind: 'oximeter', names: ['Oximeter JUMPER', 'Oximeter_JUMPER'] },
  glucose: { kind: 'glucose', names: ['Contour_Elite', 'CONTOUR', 'AccuChek_Instant'] },
  temperature: { kind: 'thermometer', names: ['IR_TEMO_JUMPER', 'TEMO_Jumper'] },
  scale: { kind: 'scale', names: ['BodyScale_JUMPER'] },
  'uric-acid': { kind: 'uric-acid', names: ['MGSS_REF_UA'] },
  cholesterol: { kind: 'cholesterol', names: ['MGSS_REF_CHOL'] },
};
const MARKERS = ['Before Meal', 'After Meal', 'Fasting', 'No marker', 'No Marker', 'None', 'none', null, undefined, 'after meal', 'Snack'];
const NOT_NUMBERS = ['abc', '1,5', '+5', 'NaN', '1e2', true, {}, []];
const MISSING = ['', '  ', null, undefined];

/** Makes messages for one ward; `receivedAt` in epoch seconds. */
export class Messages {
  constructor(random, world, receivedAt) {
    Object.assign(this, { random, world, receivedAt });
  }

  /** The samples, the written traps, then as many generated lines as asked for in all. */
  *lines(count) {
    const samples = readFileSync(join(import.meta.dirname, 'samples.ndjson'), 'utf8').trimEnd().split('\n');
    const fixed = [...samples, ...this.traps()];
    yield* fixed;
    for (let i = fixed.length; i < count; i += 1) yield this.one();
  }

  one() {
    const { random } = this;
    const share = random.next();
    if (share < 0.05) return write(this.noReadings());
    if (share < 0.07) return write(this.unusable());
    if (share < 0.27) return write(this.apiCall());
    return write(this.readings());
  }

  gatewayFields() {
    const { random, world } = this;
    const mac = random.of(world.gatewayAddresses);
    const spelled = this.spell(mac);
    return random.chance(0.1) ? { deviceCode: spelled } : { deviceCode: spelled, mac: spelled };
  }

  spell(mac) {
    const colons = mac.toUpperCase().match(/../g).join(':');
    return this.random.of([colons, colons, mac, mac.toUpperCase(), mac.match(/../g).join('-'), ` ${mac} `]);
  }

  noReadings() {
    const { random } = this;
    const head = { from: 'ESP32_GW', to: 'CLOUD', time: n(this.receivedAt), ...this.gatewayFields() };
    const ids = { IMEI: '990000000000001', ICCID: '8966000000000000001' };
    return random.of([
      { ...head, name: 'Fake box', ...ids, type: 'HB_Msg', data: { msg: 'Online' } },
      { ...head, from: 'ESP32_S3_GW', ...ids, type: 'reportMsg', data: { msg: 'Online' } },
      { ...head, type: 'cmdResult', data: { id: n(7), code: n(0) } },
      { ...head, data: { id: n(7), code: n(0) } },
      this.message(random.of(Object.keys(ATTRIBUTES)), []),
    ]);
  }

  unusable() {
    const { random } = this;
    const good = this.readings();
    return random.of([
      { ...good, type: 'reportNothing' },
      { ...good, data: { ...good.data, attribute: 'TOASTER_X' } },
      { ...good, data: { ...good.data, value: {} } },
      { ...good, mac: '02:00:00:AA:00' },
    ]);
  }

  readings() {
    const { random, world } = this;
    const name = random.of(Object.keys(ATTRIBUTES));
    const count = random.chance(0.8) ? 1 : random.int(2, 4);
    const time = this.deviceTime();
    const items = Array.from({ length: count }, () => {
      const { kind } = ATTRIBUTES[name];
      const address = random.chance(0.97) ? this.spell(random.of(world.addresses[kind][random.chance(0.88) ? 'known' : 'odd'])) : random.of(['', null, undefined, '020000BB00', '020000bb000z']);
      const item = { scan_time: this.asTime(time - random.int(0, 90)), ble_addr: address, ...this.values(name) };
      return random.chance(0.02) ? { ...item, scan_time: random.of([undefined, null, '', 'soon']) } : item;
    });
    return this.message(name, items, time);
  }

  message(name, items, time = this.receivedAt) {
    const attribute = this.random.of(ATTRIBUTES[name].names);
    const gateway = this.gatewayFields();
    return {
      from: 'BLE', to: 'CLOUD', time: this.random.chance(0.02) ? undefined : this.asTime(time), ...gateway,
      type: 'reportAttribute', device: attribute,
      data: { attribute, mac: gateway.deviceCode, value: { device_list: items } },
    };
  }

  /** Right mostly, then years ahead, stuck at the epoch, a day behind, buffered for weeks. */
  deviceTime() {
    const { random, receivedAt } = this;
    const share = random.next();
    if (share < 0.7) return receivedAt - random.int(0, 200);
    if (share < 0.8) return 1_836_900_000 + random.int(0, 9_999);
    if (share < 0.85) return random.int(1, 9_999);
    if (share < 0.9) return receivedAt - random.int(1, 29) * DAY;
    if (share < 0.95) return receivedAt - random.int(40, 300) * DAY;
    return -random.int(1, 99_999);
  }

  asTime(seconds) {
    return this.random.of([n(seconds), n(seconds), n(seconds), String(seconds), seconds > 1e9 ? n(seconds * 1000) : n(seconds), seconds > 0 ? n(`${seconds}.7`) : n(seconds)]);
  }

  /** Mostly good; else missing, no number, impossible, implausible. */
  quantity(good, odd) {
    const { random } = this;
    const share = random.next();
    if (share < 0.88) return good();
    if (share < 0.9) return random.of(MISSING);
    if (share < 0.92) return random.of(NOT_NUMBERS);
    return n(random.of(odd));
  }

  values(name) {
    const { random } = this;
    const int = (from, to) => () => (random.chance(0.95) ? n(random.int(from, to)) : String(random.int(from, to)));
    const binary32 = (from, to, places) => () => n(Number(Math.fround(random.int(from, to) / 10 ** places).toFixed(8)));
    const text = (from, to, places) => () => (random.int(from, to) / 10 ** places).toFixed(places);
    switch (name) {
      case 'blood-pressure': {
        const item = { bp_high: this.quantity(int(90, 180), [29, 301, 45, 270]), bp_low: this.quantity(int(50, 89), [9, 251, 20]) };
        if (random.chance(0.85)) item[random.of(['PR', 'pr'])] = random.chance(0.93) ? int(40, 150)() : n(random.of([350, 10, 25, 240]));
        return item;
      }
      case 'oximeter':
        if (random.chance(0.05)) return { pulse: n(255), spo2: n(127), pi: n(0) };
        return {
          pulse: random.chance(0.9) ? int(45, 140)() : n(random.of([255, 350, 25])),
          spo2: random.chance(0.9) ? int(85, 100)() : n(random.of([127, 0, 101, 60])),
          pi: random.chance(0.9) ? int(3, 190)() : n(random.of([0, 230, 200, 40])),
        };
      case 'glucose': {
        const item = {
          scan_rssi: n(-61),
          blood_glucose: random.chance(0.1)
            ? random.of(['HI', 'LO', ' hi ', 'Lo'])
            : this.quantity(() => random.of([String(random.int(60, 250)), n(random.int(60, 250)), n(`${random.int(60, 250)}.0`), `${random.int(60, 250)}.50`, `0${random.int(60, 90)}`]), [9, 601, 15, 550]),
          marker: random.of(MARKERS),
        };
        return item;
      }
      case 'temperature':
        return { [random.of(['temp', 'Temp'])]: this.quantity(() => random.of([binary32(3500, 4000, 2), text(3500, 4000, 2)])(), [24.9, 45.1, 33.5, 44]), mode: random.of(['Head', 'Object', null, undefined]) };
      case 'scale': {
        const item = { weight: this.quantity(binary32(300, 1200, 1), [0.4, 501, 1.5, 350]) };
        if (random.chance(0.8)) item[random.of(['resistance', 'Resistance'])] = random.chance(0.92) ? binary32(3000, 8000, 1)() : n(random.of([20, 3001, 60]));
        return item;
      }
      case 'uric-acid':
        return { scan_rssi: n(-66), uric_acid: this.quantity(text(1500, 7000, 1), [49, 1501, 60, 1200]) };
      default:
        return { scan_rssi: n(-70), cholesterol: this.quantity(() => random.of([text(30, 90, 1), text(300, 900, 2)])(), [0.9, 20.1, 1.2, 15]) };
    }
  }

  apiCall() {
    const { random, world, receivedAt } = this;
    const seconds = random.chance(0.85) ? receivedAt - random.int(0, 100_000) : random.of([receivedAt + 9_999, receivedAt - 800 * DAY]);
    const iso = new Date(seconds * 1000).toISOString();
    const timestamp = random.of([iso, iso.replace(/\.000Z$/, ''), iso.replace('.000Z', '+00:00'), n(seconds), n(seconds * 1000)]);
    const [type, data] = random.of(API)(random);
    const cased = random.of([type, type, type.toLowerCase()]);
    return { timestamp, device_id: this.spell(random.of(world.gatewayAddresses)), type: cased, data };
  }

  /** Each quantity at each of its limits, and a step beyond; zero and below. */
  *limits(list, meter) {
    for (const [attribute, device, rest, field, kind, step] of AT_LIMITS) {
      const places = Math.round(-Math.log10(step));
      const values = LIMITS[kind].flatMap((limit) => [limit - step, limit, limit + step]);
      for (const value of [...new Set(values.map((v) => v.toFixed(places))), '-5', '0']) {
        yield list(attribute, meter(device, `${rest},"${field}":${value}`));
      }
    }
    for (const pi of [1, 2, 199, 200, 201, -1]) {
      yield list('Oximeter JUMPER', meter('020000bb0002', `"pulse":70,"spo2":97,"pi":${pi}`));
    }
  }

  /** Each bound of the clock, and a second beyond. */
  *clocks() {
    const at = this.receivedAt;
    const reading = (time, scanned) => write(this.message('blood-pressure', [
      { scan_time: scanned, ble_addr: '020000bb0001', bp_high: n(120), bp_low: n(80) },
    ], time));
    const exactly = (time, scanned) => reading(time, n(scanned)).replace(/"time":(?:"[^"]*"|[0-9.]+)/, `"time":${time}`);
    for (const scanned of [at + 300, at + 301, at - 30 * DAY, at - 30 * DAY - 1, at - 365 * DAY, at - 365 * DAY - 1]) {
      for (const time of [at, at + 300, at + 301, at - 300, at - 301, at - 10 * DAY]) yield exactly(time, scanned);
    }
    // The gateway is years ahead; its item a moment, a month, a year before it.
    const ahead = 1_836_900_000;
    for (const before of [-300, -301, 0, 30 * DAY, 30 * DAY + 1, 365 * DAY]) yield exactly(ahead, ahead - before);
    // Seconds end where milliseconds begin; a year that no calendar writes.
    for (const scanned of ['9999999999', '10000000000', '8999999999999000']) yield exactly(at, scanned);
    yield reading(undefined, undefined);
    yield reading(undefined, n(at));
  }

  /** The gateway's address in each of its places. */
  *gateways() {
    const item = { scan_time: n(this.receivedAt), ble_addr: '020000bb0001', bp_high: n(125), bp_low: n(82) };
    const { mac, deviceCode, ...bare } = this.message('blood-pressure', [item]);
    const without = { ...bare, data: { ...bare.data, mac: undefined } };
    yield write({ ...without, mac: '', deviceCode: '02:00:00:AA:00:02' });
    yield write({ ...without, mac: null, data: { ...bare.data, mac: '020000aa0003' } });
    yield write({ ...without, mac: '02:00:00:AA:00', deviceCode: '02:00:00:AA:00:02' });
    yield write({ ...without, deviceCode: null });
    yield write({ ...without, mac: '02:00:00:AA:00:FF' });
  }

  /** Bytes that no generator of well-formed messages would make, and cases worth a line of their own. */
  traps() {
    const at = this.receivedAt;
    const head = `"from":"BLE","to":"CLOUD","time":${at},"mac":"02:00:00:AA:00:01","type":"reportAttribute"`;
    const list = (attribute, items) => `{${head},"data":{"attribute":"${attribute}","value":{"device_list":[${items}]}}}`;
    const cuff = (more) => `{"scan_time":${at},"ble_addr":"020000bb0001",${more}}`;
    const meter = (address, more) => `{"scan_time":${at},"ble_addr":"${address}",${more}}`;
    const items = (count) => Array.from({ length: count }, (_, i) => cuff(`"bp_high":${100 + (i % 90)},"bp_low":60`)).join(',');
    return [
      '7',
      '[]',
      '"text"',
      'null',
      '{',
      '{}',
      '{"mac":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:02","type":"HB_Msg"}',
      `{${head},"data":{"attribute":"BP_BIOLIGTH","attribute":"BP_BIOLIGTH","value":{"device_list":[${cuff('"bp_high":131,"bp_low":84')}]}}}`,
      list('BP_BIOLIGTH', `${cuff('"bp_high":131,"bp_high":132,"bp_low":84')},${cuff('"bp_high":121,"bp_low":74,"PR":60')}`),
      list('BP_BIOLIGTH', `7,${cuff('"bp_high":122,"bp_low":75,"PR":61')},null`),
      list('BP_BIOLIGTH', cuff('"bp_high":80,"bp_low":90,"PR":61')),
      list('BP_BIOLIGTH', cuff('"bp_high":80,"bp_low":80')),
      list('BP_BIOLIGTH', items(1_000)),
      list('BP_BIOLIGTH', items(1_001)),
      // Two values of one second, then one value twice.
      list('Contour_Elite', `${meter('020000bb0003', '"blood_glucose":"112"')},${meter('020000bb0003', '"blood_glucose":"131"')}`),
      list('Contour_Elite', `${meter('020000bb0003', '"blood_glucose":"113"')},${meter('020000bb0003', '"blood_glucose":113.0')}`),
      // The same three ways of writing one value.
      ...['"112"', '112', '112.0'].map((value) => list('AccuChek_Instant', meter('020000bb0004', `"blood_glucose":${value}`))),
      ...['"HI"', '"LO"', '"550"', '""', '"abc"'].map((value) => list('AccuChek_Instant', meter('020000bb0004', `"blood_glucose":${value},"marker":"Fasting"`))),
      list('MGSS_REF_CHOL', meter('020000bb0008', '"cholesterol":"4.60"')),
      list('MGSS_REF_CHOL', meter('020000b80001', '"cholesterol":"5.1"')),
      list('Oximeter JUMPER', meter('020000bb0002', '"spo2":127,"pulse":255,"pi":0')),
      list('Oximeter JUMPER', meter('020000bb0002', '"spo2":97,"pulse":255,"pi":40')),
      list('Oximeter JUMPER', meter('020000bb0002', '"spo2":127,"pulse":80,"pi":43')),
      list('IR_TEMO_JUMPER', meter('020000bb0005', '"temp":36.52999878,"mode":"Head"')),
      list('IR_TEMO_JUMPER', meter('020000bb0005', '"Temp":"36.50"')),
      list('BodyScale_JUMPER', meter('020000bb0006', '"weight":71.40000153,"Resistance":512.7000122')),
      list('BodyScale_JUMPER', meter('020000bb0006', '"weight":71,"resistance":20')),
      list('BodyScale_JUMPER', meter('020000bb0006', '"weight":"71.40","resistance":"0512.70"')),
      ...this.limits(list, meter),
      ...this.clocks(),
      ...this.gateways(),
      // A person's thermometer sends no binary32.
      `{"timestamp":${at},"device_id":"020000AA0001","type":"TEMPERATURE","data":{"value":36.52999878}}`,
      `{${head},"data":${'['.repeat(100)}${']'.repeat(100)}}`,
      `{${head},"data":${'['.repeat(1_000)}${']'.repeat(1_000)}}`,
    ];
  }
}

/** What stands at the end of each limit: `[attribute, address, rest of the item, field, step]`. */
const AT_LIMITS = [
  ['BP_BIOLIGTH', '020000bb0001', '"bp_low":20', 'bp_high', 'systolic', 1],
  ['BP_BIOLIGTH', '020000bb0001', '"bp_high":299', 'bp_low', 'diastolic', 1],
  ['BP_BIOLIGTH', '020000bb0001', '"bp_high":120,"bp_low":80', 'PR', 'heart-rate', 1],
  ['Oximeter JUMPER', '020000bb0002', '"pulse":70,"pi":40', 'spo2', 'spo2', 1],
  ['Contour_Elite', '020000bb0003', '"marker":null', 'blood_glucose', 'glucose', 1],
  ['IR_TEMO_JUMPER', '020000bb0005', '"mode":null', 'temp', 'body-temperature', 0.01],
  ['BodyScale_JUMPER', '020000bb0006', '"resistance":500', 'weight', 'body-weight', 0.1],
  ['BodyScale_JUMPER', '020000bb0006', '"weight":70', 'resistance', 'impedance', 0.1],
  ['MGSS_REF_UA', '020000bb0007', '"scan_rssi":-60', 'uric_acid', 'uric-acid', 0.1],
  ['MGSS_REF_CHOL', '020000bb0008', '"scan_rssi":-60', 'cholesterol', 'cholesterol', 0.01],
];

const num = (random, from, to, places = 0) => {
  const text = (random.int(from, to) / 10 ** places).toFixed(places);
  return random.chance(0.8) ? n(text) : text;
};
const API = [
  (r) => ['BLOOD_PRESSURE', { systolic: num(r, 90, 180), diastolic: num(r, 50, 89), pulse: num(r, 40, 150) }],
  (r) => ['BLOOD_PRESSURE', { bp_high: num(r, 90, 180), bp_low: num(r, 50, 89), PR: num(r, 40, 150), unit: 'mmHg' }],
  (r) => ['BLOOD_PRESSURE', { systolic: num(r, 90, 180) }],
  (r) => ['BLOOD_SUGAR', { blood_glucose: r.of(['HI', 'LO', num(r, 60, 250)]), marker: r.of(MARKERS) }],
  (r) => ['BLOOD_SUGAR', { value: num(r, 40, 200, 1), unit: r.of(['mmol/L', 'MMOL/L']), marker: r.of(MARKERS) }],
  (r) => ['TEMPERATURE', { [r.of(['temperature', 'temp', 'Temp', 'value'])]: num(r, 350, 400, 1), mode: r.of(['Head', undefined]) }],
  (r) => ['WEIGHT', { [r.of(['weight', 'value'])]: num(r, 300, 1200, 1), resistance: r.of([undefined, num(r, 300, 900)]) }],
  (r) => ['SPO2', { spo2: num(r, 85, 100), pulse: r.of([n(255), num(r, 45, 140)]), pi: num(r, 3, 190) }],
  (r) => ['HEART_RATE', { [r.of(['heart_rate', 'pulse', 'value'])]: num(r, 40, 200), unit: 'bpm' }],
  (r) => ['STEPS', { [r.of(['steps', 'value'])]: num(r, 0, 30_000) }],
  (r) => ['SLEEP', { [r.of(['duration', 'value'])]: num(r, 0, 140, 1), unit: 'h' }],
  (r) => ['CREATININE', { [r.of(['creatinine', 'value'])]: num(r, 5, 30, 1) }],
  (r) => ['CREATININE', { creatinine: num(r, 40, 900), unit_code: 'umol/L' }],
  (r) => ['LIPID', { cholesterol: num(r, 120, 260), hdl: num(r, 30, 80), ldl: num(r, 60, 180), triglycerides: num(r, 50, 300) }],
  (r) => ['LIPID', { hdl: num(r, 8, 20, 1), ldl: num(r, 15, 45, 1), unit: 'mmol/L' }],
  (r) => ['URIC_ACID', { [r.of(['uric_acid', 'value'])]: num(r, 1500, 7000, 1) }],
  (r) => ['URIC_ACID', { uric_acid: num(r, 30, 90, 1), unit: 'mg/dL' }],
  (r) => ['CHOLESTEROL', { [r.of(['cholesterol', 'value'])]: num(r, 30, 90, 1) }],
  (r) => ['CHOLESTEROL', { cholesterol: num(r, 120, 300), unit: 'mg/dL' }],
  (r) => ['BLOOD_SUGAR', { value: r.of(['abc', n(900), undefined]) }],
  (r) => ['TOASTER', { value: num(r, 1, 9) }],
];
