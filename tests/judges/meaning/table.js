// What each kind of reading must look like: written from the clinical sources, not from the device catalogue.

/** LOINC's own names of the codes in use, and the words that no other name may lack. */
export const NAMES = {
  '85354-9': /^blood pressure panel/i,
  '8480-6': /^systolic blood pressure$/i,
  '8462-4': /^diastolic blood pressure$/i,
  '8867-4': /^heart rate$/i,
  '8889-8': /^heart rate by pulse oximetry$/i,
  '2708-6': /^oxygen saturation in arterial blood$/i,
  '59408-5': /^oxygen saturation in arterial blood by pulse oximetry$/i,
  '61006-3': /^perfusion index .*pulse oximetry$/i,
  '41653-7': /^glucose \[mass\/volume\] in capillary blood by glucometer$/i,
  '41604-0': /^fasting glucose \[mass\/volume\] in capillary blood by glucometer$/i,
  '88365-2': /^glucose \[mass\/volume\] .*(?:pre[- ]?meal|before meal)/i,
  '87422-2': /^glucose \[mass\/volume\] .*(?:post[- ]?meal|after meal)/i,
  '14743-9': /^glucose \[moles\/volume\] in capillary blood by glucometer$/i,
  '14770-2': /^fasting glucose \[moles\/volume\] in capillary blood by glucometer$/i,
  '8310-5': /^body temperature$/i,
  '29463-7': /^body weight$/i,
  '14933-6': /^urate \[moles\/volume\] in serum or plasma$/i,
  '3084-1': /^urate \[mass\/volume\] in serum or plasma$/i,
  '14647-2': /^cholesterol \[moles\/volume\] in serum or plasma$/i,
  '2093-3': /^cholesterol \[mass\/volume\] in serum or plasma$/i,
  '14682-9': /^creatinine \[moles\/volume\] in serum or plasma$/i,
  '2160-0': /^creatinine \[mass\/volume\] in serum or plasma$/i,
  '2089-1': /^cholesterol in ldl \[mass\/volume\] in serum or plasma$/i,
  '22748-8': /^cholesterol in ldl \[moles\/volume\] in serum or plasma$/i,
  '2085-9': /^cholesterol in hdl \[mass\/volume\] in serum or plasma$/i,
  '14646-4': /^cholesterol in hdl \[moles\/volume\] in serum or plasma$/i,
  '2571-8': /^triglyceride \[mass\/volume\] in serum or plasma$/i,
  '14927-8': /^triglyceride \[moles\/volume\] in serum or plasma$/i,
  '8302-2': /^body height$/i,
  '39156-5': /^body mass index \(bmi\) \[ratio\]$/i,
  '8280-0': /^waist circumference at umbilicus by tape measure$/i,
  '9279-1': /^respiratory rate$/i,
  '41950-7': /^number of steps in 24 hour measured$/i,
  '55423-8': /^number of steps in unspecified time pedometer$/i,
  '93832-4': /^sleep duration$/i,
};

/** The words for people that may stand beside a UCUM code. */
export const UNITS = {
  'mm[Hg]': ['mmHg', 'mm[Hg]'],
  '/min': ['beats/minute', 'beats/min', 'bpm', '/min', 'breaths/minute', 'breaths/min'],
  '%': ['%'],
  'mg/dL': ['mg/dL'],
  'mmol/L': ['mmol/L'],
  'umol/L': ['µmol/L', 'μmol/L', 'umol/L'],
  Cel: ['°C', 'Cel'],
  kg: ['kg'],
  Ohm: ['Ω', 'Ω', 'ohm', 'Ohm'],
  cm: ['cm'],
  'kg/m2': ['kg/m²', 'kg/m2'],
  '{steps}': ['steps'],
  '{steps}/d': ['steps/day'],
  h: ['h', 'hours'],
};

/** Names that MDC codes may carry; others carry none. */
export const MDC_NAMES = {
  150020: /press|bp|nibp|noninv/i,
  150021: /sys/i,
  150022: /dia/i,
  149546: /puls|rate/i,
  149530: /puls|rate/i,
  150456: /sat|spo2|o2/i,
  150488: /perf/i,
  160184: /glu/i,
  150364: /temp/i,
  188736: /mass|weight/i,
  188740: /len|height/i,
  188752: /mass|bmi|ratio/i,
  151562: /resp/i,
  188780: /imped/i,
  8417864: /meal|context|ctxt/i,
  8417868: /pre/i,
  8417872: /post/i,
  8417876: /fast/i,
};

const VITAL = 'vital-signs';
/** `unit → LOINC` codes (the first leads), MDC, category and profile of each kind. */
export const KINDS = {
  'blood-pressure': { category: VITAL, profile: 'bp', mdc: ['150020'], loinc: { 'mm[Hg]': ['85354-9'] } },
  'heart-rate of the cuff': { category: VITAL, profile: 'heartrate', mdc: ['149546'], loinc: { '/min': ['8867-4'] } },
  'heart-rate of the oximeter': { category: VITAL, profile: 'heartrate', mdc: ['149530'], loinc: { '/min': ['8867-4', '8889-8'] } },
  'heart-rate': { category: VITAL, profile: 'heartrate', mdc: [], loinc: { '/min': ['8867-4'] } },
  spo2: { category: VITAL, profile: 'oxygensat', mdc: ['150456'], loinc: { '%': ['2708-6', '59408-5'] } },
  'perfusion-index': { category: 'exam', mdc: ['150488'], loinc: { '%': ['61006-3'] } },
  glucose: { category: 'laboratory', mdc: ['160184'], loinc: { 'mg/dL': ['41653-7'], 'mmol/L': ['14743-9'] } },
  'body-temperature': { category: VITAL, profile: 'bodytemp', mdc: ['150364'], loinc: { Cel: ['8310-5'] } },
  'body-weight': { category: VITAL, profile: 'bodyweight', mdc: ['188736'], loinc: { kg: ['29463-7'] } },
  impedance: { category: 'exam', mdc: ['188780'], own: ['body-impedance'], loinc: { Ohm: [] } },
  'uric-acid': { category: 'laboratory', mdc: [], loinc: { 'umol/L': ['14933-6'], 'mg/dL': ['3084-1'] } },
  cholesterol: { category: 'laboratory', mdc: [], loinc: { 'mmol/L': ['14647-2'], 'mg/dL': ['2093-3'] } },
  creatinine: { category: 'laboratory', mdc: [], loinc: { 'umol/L': ['14682-9'], 'mg/dL': ['2160-0'] } },
  ldl: { category: 'laboratory', mdc: [], loinc: { 'mg/dL': ['2089-1'], 'mmol/L': ['22748-8'] } },
  hdl: { category: 'laboratory', mdc: [], loinc: { 'mg/dL': ['2085-9'], 'mmol/L': ['14646-4'] } },
  triglycerides: { category: 'laboratory', mdc: [], loinc: { 'mg/dL': ['2571-8'], 'mmol/L': ['14927-8'] } },
  steps: { category: 'activity', mdc: [], loinc: { '{steps}': ['55423-8'] } },
  sleep: { category: 'activity', mdc: [], loinc: { h: ['93832-4'] } },
  'steps per day': { category: 'activity', mdc: [], loinc: { '{steps}/d': ['41950-7'] } },
  height: { category: VITAL, profile: 'bodyheight', mdc: ['188740'], loinc: { cm: ['8302-2'] } },
  bmi: { category: VITAL, profile: 'bmi', mdc: ['188752'], loinc: { 'kg/m2': ['39156-5'] } },
  waist: { category: 'exam', mdc: [], loinc: { cm: ['8280-0'] } },
  respiration: { category: VITAL, profile: 'resprate', mdc: ['151562'], loinc: { '/min': ['9279-1'] } },
};

/** What a meal adds: LOINC by unit, and the MDC code in the component 8417864. */
export const MEALS = {
  fasting: { mdc: '8417876', loinc: { 'mg/dL': ['41604-0'], 'mmol/L': ['14770-2'] } },
  'before meal': { mdc: '8417868', loinc: { 'mg/dL': ['88365-2'], 'mmol/L': [] } },
  'after meal': { mdc: '8417872', loinc: { 'mg/dL': ['87422-2'], 'mmol/L': [] } },
};
/** Markers that say that there is none. */
export const NO_MEAL = ['no marker', 'none'];

/** Hard and plausible limits, ends included, each in its unit. */
export const LIMITS = {
  systolic: [30, 300, 60, 250],
  diastolic: [10, 250, 30, 150],
  'heart-rate': [20, 300, 30, 220],
  spo2: [1, 100, 70, 100],
  'perfusion-index': [0, 20, 0.02, 20],
  glucose: [10, 600, 20, 500],
  'body-temperature': [25, 45, 34, 42],
  'body-weight': [0.5, 500, 2, 300],
  impedance: [50, 3000, 100, 1500],
  'uric-acid': [50, 1500, 100, 1000],
  cholesterol: [1, 20, 1.5, 13],
  creatinine: [10, 3000, 10, 3000],
  ldl: [0.1, 20, 0.1, 20],
  hdl: [0.1, 20, 0.1, 20],
  triglycerides: [0.1, 60, 0.1, 60],
  steps: [0, 200_000, 0, 200_000],
  sleep: [0, 24, 0, 24],
};
/** Factors into the unit of the limits, for values in another unit. */
export const TO_LIMIT_UNIT = {
  'glucose mmol/L': (v) => v * 18,
  'cholesterol mg/dL': (v) => v / 38.67,
  'ldl mg/dL': (v) => v / 38.67,
  'hdl mg/dL': (v) => v / 38.67,
  'triglycerides mg/dL': (v) => v / 88.57,
  'uric-acid mg/dL': (v) => v * 59.48,
  'creatinine mg/dL': (v) => v * 88.4,
};

/** Legacy collection of each main kind. */
export const COLLECTIONS = {
  'blood-pressure': 'blood_pressure_histories',
  glucose: 'blood_sugar_histories',
  spo2: 'spo2_histories',
  'body-temperature': 'temprature_data_histories',
  'body-weight': 'body_data_histories',
  creatinine: 'creatinine_histories',
  'uric-acid': 'creatinine_histories',
  cholesterol: 'lipid_histories',
  ldl: 'lipid_histories',
  hdl: 'lipid_histories',
  triglycerides: 'lipid_histories',
  steps: 'step_histories',
  sleep: 'sleep_data_histories',
  'heart-rate': 'heart_rate_histories',
};
