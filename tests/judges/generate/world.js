// A ward that never was: who owns which device, and the registry that says so.

const hex = (n, width) => n.toString(16).padStart(width, '0');
const patient = (n) => `65a0${hex(n, 20)}`;

export const KINDS = ['blood-pressure', 'oximeter', 'glucose', 'thermometer', 'scale', 'uric-acid', 'cholesterol'];
const PATIENT_FIELD = {
  'blood-pressure': 'blood_pressure_mac_address',
  oximeter: 'fingertip_pulse_oximeter_mac_address',
  thermometer: 'body_temperature_mac_address',
  scale: 'weight_scale_mac_address',
  glucose: 'blood_glucose_mac_address',
  'uric-acid': 'uric_mac_address',
  cholesterol: 'cholesterol_mac_address',
};
const DEVICE_FIELDS = {
  'blood-pressure': ['mac_dusun_bps', 'mac_bps'],
  oximeter: ['mac_oxymeter', 'mac_mgss_oxymeter'],
  thermometer: ['mac_body_temp'],
  scale: ['mac_weight'],
  glucose: ['mac_gluc'],
  'uric-acid': ['mac_ua'],
  cholesterol: ['mac_chol'],
};
/** The devices of the documented samples, in their order. */
const OF_SAMPLES = ['blood-pressure', 'oximeter', 'glucose', 'glucose', 'thermometer', 'scale', 'uric-acid', 'cholesterol'];

const colons = (mac) => mac.toUpperCase().match(/../g).join(':');
const SPELLINGS = [(m) => m, (m) => m.toUpperCase(), colons, (m) => ` ${colons(m)} `, (m) => m.match(/../g).join('-')];
const PATIENT_SPELLINGS = [
  (id) => ({ $oid: id }),
  (id) => id,
  (id) => `{"$oid": "${id}"}`,
  (id) => `ObjectId('${id}')`,
  (id) => `{'$oid': '${id}'}`,
];

/**
 * `{boxes, devices, patients, addresses, owner(address, kind), gateway(address)}`: documents as they would be
 * exported, and what they mean as this ward was made, not as anyone has read it from them.
 */
export function world(random) {
  const boxes = [];
  const devices = [];
  const patients = new Map();
  const owners = new Map();
  const gateways = new Map();
  const addresses = Object.fromEntries(KINDS.map((kind) => [kind, { known: [], odd: [] }]));
  for (let n = 1; n <= 24; n += 1) patients.set(patient(n), { _id: { $oid: patient(n) } });
  const deleted = patient(24);
  patients.get(deleted).is_deleted = true;
  const absent = patient(99);

  const spelled = (mac) => random.of(SPELLINGS)(mac);
  const named = (id) => random.of(PATIENT_SPELLINGS)(id);
  const meaning = (id) => (id === undefined || id === deleted || id === absent ? { park: 'patient unknown' } : { patient: id });
  const set = (mac, kind, owner) => {
    owners.set(`${mac} ${kind}`, owner);
    addresses[kind][owner.patient ? 'known' : 'odd'].push(mac);
  };
  const registerDevice = (mac, kind, id, value = id && named(id)) => {
    devices.push({ [random.of(DEVICE_FIELDS[kind])]: spelled(mac), patient_id: value ?? null });
    set(mac, kind, meaning(id));
  };

  OF_SAMPLES.forEach((kind, i) => registerDevice(`020000bb${hex(i + 1, 4)}`, kind, patient(1)));
  KINDS.forEach((kind, k) => {
    for (let n = 0; n < 3; n += 1) {
      const mac = `020000b${k + 1}${hex(n, 4)}`;
      const id = patient(2 + 3 * k + n);
      if (random.chance(0.5)) registerDevice(mac, kind, id);
      else {
        patients.get(id)[PATIENT_FIELD[kind]] = spelled(mac);
        set(mac, kind, { patient: id });
      }
    }
    const odd = `020000b${k + 1}`;
    registerDevice(`${odd}00e1`, kind, undefined);
    registerDevice(`${odd}00e2`, kind, undefined, 'unknown');
    registerDevice(`${odd}00e3`, kind, deleted);
    registerDevice(`${odd}00e4`, kind, absent);
    // Of two patients: nobody may guess.
    for (const n of [2, 3]) devices.push({ [DEVICE_FIELDS[kind][0]]: spelled(`${odd}00e5`), patient_id: named(patient(n)) });
    set(`${odd}00e5`, kind, { park: 'patient ambiguous' });
    // Its document is deleted, or there never was one.
    devices.push({ [DEVICE_FIELDS[kind][0]]: `${odd}00e6`, patient_id: named(patient(2)), is_deleted: true });
    set(`${odd}00e6`, kind, { park: 'device unknown' });
    set(`${odd}00e7`, kind, { park: 'device unknown' });
  });
  // A meter for several strips, registered once; and one registered for two people under two kinds.
  const strips = ['uric-acid', 'cholesterol', 'glucose'];
  registerDevice('020000b80001', 'uric-acid', patient(4));
  for (const kind of strips.slice(1)) set('020000b80001', kind, { patient: patient(4), otherKind: true });
  registerDevice('020000b80002', 'uric-acid', patient(5));
  registerDevice('020000b80002', 'cholesterol', patient(6));
  set('020000b80002', 'glucose', { park: 'patient ambiguous' });

  const box = (mac, id, more = {}) => boxes.push({ mac_address: spelled(mac), patient_id: id ? named(id) : null, is_active: false, ...more });
  for (let n = 1; n <= 8; n += 1) {
    const mac = `020000aa${hex(n, 4)}`;
    box(mac, patient(n));
    gateways.set(mac, { patient: patient(n) });
  }
  box('020000aa0009', undefined);
  gateways.set('020000aa0009', { park: 'patient unknown' });
  box('020000aa000a', patient(1));
  box('020000aa000a', patient(2));
  gateways.set('020000aa000a', { park: 'patient ambiguous' });
  box('020000aa000b', patient(3), { is_deleted: true });
  box('020000aa000c', patient(3), { is_deleted: true });
  box('020000aa000c', patient(4));
  gateways.set('020000aa000c', { patient: patient(4) });
  // The box counts, not what the patient's document says.
  box('020000aa000d', patient(5));
  patients.get(patient(6)).ava_mac_address = colons('020000aa000d');
  gateways.set('020000aa000d', { patient: patient(5) });
  const gatewayAddresses = Array.from({ length: 14 }, (_, n) => `020000aa${hex(n + 1, 4)}`);

  return {
    boxes,
    devices,
    patients: [...patients.values()],
    addresses,
    gatewayAddresses,
    owner: (mac, kind) => owners.get(`${mac} ${kind}`) ?? { park: 'device unknown' },
    /** Undefined where the gateway is not registered. */
    gateway: (mac) => gateways.get(mac),
  };
}
