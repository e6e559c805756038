import globals from 'globals';

const rules = {
  'no-undef': 'error',
  'no-unused-vars': 'error',
  'no-shadow': ['error', { hoist: 'functions' }],
  'no-var': 'error',
  'prefer-const': 'error',
  eqeqeq: ['error', 'always', { null: 'ignore' }],
  'max-lines-per-function': ['error', { max: 150 }],
};
const linterOptions = { reportUnusedDisableDirectives: 'error' };
const browser = { globals: globals.browser };
const node = { globals: globals.node };
export default [
  { ignores: ['**/node_modules/'] },
  { files: ['app/static/**/*.js'], languageOptions: browser, linterOptions, rules },
  { files: ['tests/page/*.js'], languageOptions: node, linterOptions, rules },
];
