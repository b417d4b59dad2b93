// Documents of the history collections as they would be migrated, and what must come of each entry.
// The fields and their meaning are written down from the old application, not from Stardust's own table.

const START = Date.parse('2021-03-01T00:00:00Z') / 1000;

const oid = (n) => n.toString(16).padStart(24, '0');
const date = (seconds) => ({ $date: { $numberLong: String(seconds * 1000) } });
const double = (text) => ({ $numberDouble: text });

/** The date field of an entry, written in one of the ways that occur. */
function dated(random, name, seconds) {
  const local = new Date((seconds + 7 * 3_600) * 1000).toISOString().slice(0, 19);
  return { [name]: random.of([date(seconds), { $date: new Date(seconds * 1000).toISOString() }, local, local.replace('T', ' '), `${local}+07:00`]) };
}

/** Whole numbers occur as ints, doubles and texts. */
const whole = (random, n) => random.of([n, { $numberInt: String(n) }, double(`${n}.0`), String(n)]);

/** `as` is a kind of `meaning/table.js`; `digits` the value as it must be written. */
const want = (as, unit, digits, more = {}) => ({ as, unit, digits: String(digits), status: 'final', ...more });

const MEALS = { pre_meal_dtx: 'before meal', post_meal_dtx: 'after meal', fasting_dtx: 'fasting', no_marker_dtx: undefined };

/** For each collection: `(random) → [fields, wanted]` of an entry, without its date. */
const ENTRIES = {
  blood_pressure_histories: (random) => {
    const [high, low, pulse] = [random.int(98, 185), random.int(52, 94), random.int(48, 110)];
    const names = random.of([['sys_data', 'dia_data', 'pr_data'], ['systolic', 'diastolic', 'pulse']]);
    const fields = { [names[0]]: whole(random, high), [names[1]]: whole(random, low) };
    const wanted = [{ ...want('blood-pressure', 'mm[Hg]', ''), parts: [String(high), String(low)] }];
    fields[names[2]] = random.chance(0.1) ? 0 : whole(random, pulse);
    if (fields[names[2]] !== 0) wanted.push(want('heart-rate of the cuff', '/min', pulse));
    return [fields, wanted];
  },
  blood_sugar_histories: (random) => {
    const field = random.of(Object.keys(MEALS));
    const meal = MEALS[field];
    if (random.chance(0.3)) {
      const text = `${random.int(3, 19)}.${random.int(0, 9)}`;
      return [{ [field]: text }, [want('glucose', 'mmol/L', text, { meal, status: 'preliminary', note: 'unit inferred' })]];
    }
    const n = random.int(70, 250);
    return [{ [field]: whole(random, n), dtx_type: 3 }, [want('glucose', 'mg/dL', n, { meal })]];
  },
  spo2_histories: (random) => {
    const [spo2, pulse, breaths] = [random.int(91, 99), random.int(48, 110), random.int(11, 24)];
    return [
      { spo2_data: whole(random, spo2), spo2_pr_data: whole(random, pulse), spo2_resp_data: whole(random, breaths) },
      [want('spo2', '%', spo2), want('heart-rate of the oximeter', '/min', pulse), want('respiration', '/min', breaths)],
    ];
  },
  temprature_data_histories: (random) => {
    const text = `3${random.int(5, 8)}.${random.int(1, 9)}0`;
    return random.chance(0.5)
      ? [{ temprature_data: text }, [want('body-temperature', 'Cel', text)]]
      : [{ temprature_data: double(text.slice(0, 4)) }, [want('body-temperature', 'Cel', text.slice(0, 4))]];
  },
  body_data_histories: (random) => {
    const [weight, height, waist] = [`${random.int(38, 120)}.${random.int(1, 9)}`, random.int(145, 190), random.int(60, 110)];
    const bmi = random.chance(0.3) ? double('Infinity') : double('24.221453287197235');
    const wanted = [want('body-weight', 'kg', weight), want('height', 'cm', height)];
    if (bmi.$numberDouble !== 'Infinity') wanted.push(want('bmi', 'kg/m2', bmi.$numberDouble));
    wanted.push(want('waist', 'cm', waist));
    return [{ weight: random.of([weight, double(weight)]), height: whole(random, height), bmi, waist: whole(random, waist) }, wanted];
  },
  creatinine_histories: (random) => {
    const note = { note: 'unit inferred' };
    const uric = `${random.int(150, 600)}.${random.int(1, 9)}`;
    const [value, unit] = random.of([[`${random.int(0, 2)}.${random.int(5, 9)}`, 'mg/dL'], [`${random.int(45, 300)}.5`, 'umol/L']]);
    return [{ cretinines: double(value), uric }, [want('creatinine', unit, value, note), want('uric-acid', 'umol/L', uric)]];
  },
  lipid_histories: (random) => {
    const values = [random.int(120, 300), random.int(60, 180), random.int(30, 80), random.int(60, 300)];
    const names = ['lipids', 'ldl_lipids', 'hdl_lipids', 'tri_lipids'];
    const kinds = ['cholesterol', 'ldl', 'hdl', 'triglycerides'];
    return [
      Object.fromEntries(names.map((name, i) => [name, whole(random, values[i])])),
      kinds.map((kind, i) => want(kind, 'mg/dL', values[i])),
    ];
  },
  step_histories: (random) => {
    const steps = random.int(0, 15_000);
    return [{ step: whole(random, steps) }, [want('steps per day', '{steps}/d', steps)]];
  },
  sleep_data_histories: (random) => {
    const asleep = 12 * random.int(1, 9);
    return [{ sleep_data: '0'.repeat(random.int(0, 9)) + '12'.repeat(asleep / 2) }, [want('sleep', 'h', asleep / 12)]];
  },
  heart_rate_histories: (random) => {
    const rate = random.int(48, 110);
    return [{ heart_rate: whole(random, rate) }, [want('heart-rate', '/min', rate)]];
  },
};

const DATES = {
  blood_pressure_histories: 'bp_import_date',
  blood_sugar_histories: 'blood_sugar_import_date',
  spo2_histories: 'spo2_import_date',
  temprature_data_histories: 'temprature_import_date',
  body_data_histories: 'body_data_import_date',
  creatinine_histories: 'cretinines_import_date',
  lipid_histories: 'lipids_import_date',
  step_histories: 'step_import_date',
  sleep_data_histories: 'sleep_timestamp',
  heart_rate_histories: 'timestamp',
};

/** `{collection: {documents: [text], entries: [{patient, at, device, wanted}]}}`: so many entries of each collection. */
export function histories(random, ward, count) {
  const patients = ward.patients.filter((p) => !p.is_deleted).map((p) => p._id.$oid);
  const all = {};
  for (const [n, collection] of Object.keys(ENTRIES).entries()) {
    const documents = [];
    const entries = [];
    for (let made = 0; made < count; ) {
      const patient = random.of(patients);
      const data = [];
      for (let i = 0; i < Math.min(random.int(1, 8), count - made); i += 1) {
        const at = START + (n * count + made + i) * 3_607;
        const [fields, wanted] = ENTRIES[collection](random);
        const device = random.chance(0.2) ? '020000cc0001' : undefined;
        data.push({ ...fields, ...dated(random, DATES[collection], at), ...(device && { device_id: device }) });
        entries.push({ collection, patient, at, device, wanted });
      }
      made += data.length;
      const id = oid(0x60_0000_0000 + n * 0x10_0000 + documents.length);
      documents.push(JSON.stringify({ _id: { $oid: id }, patient_id: { $oid: patient }, data, __v: 0 }));
    }
    all[collection] = { documents, entries };
  }
  return all;
}
