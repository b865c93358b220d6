// Runs the suite's client against a cache and prints what became of each test, as JSON.
//
//   node driver.mjs SUITE_FOLDER BASE_URL [--known RESULTS.json] [--only TEST_ID]... [--trace]
//
// --only runs a few tests; --known gives the raw results of an earlier run, so that what the few depend on is known;
// --trace prints requests and responses, and the one result as text.
//
// Two layouts are understood: the npm package's, and the one of the suite's repository since 2022, which keeps its
// code in test-engine/ and uses Node's own fetch.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const REQUEST_TIMEOUT_MS = 10000

const OUTCOMES = {
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'fail',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup-failed',
  '⁉️': 'harness-failed',
  '⚪️': 'dependency-failed',
  '↻': 'retried',
  '-': 'untested'
}

const { values: options, positionals: [folder, base] } = parseArgs({
  allowPositionals: true,
  options: {
    known: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    trace: { type: 'boolean', default: false }
  }
})

const isRepository = fs.existsSync(path.join(folder, 'test-engine'))
const engine = path.join(folder, isRepository ? 'test-engine' : '.')
const load = (...segments) => import(pathToFileURL(path.join(...segments)))

const { determineTestResult } = await load(engine, 'lib', isRepository ? 'results.mjs' : 'display.mjs')
const { runTests, getResults } = await load(engine, 'client', 'runner.mjs')
const suites = await loadSuites()

const chosen = suites.map(suite => ({ ...suite, tests: suite.tests.filter(isChosen) }))
for (const suite of chosen) {
  for (const test of suite.tests) test.dump = options.trace
}
if (isRepository) {
  await runTests(chosen, false, base)
} else {
  await runTests(chosen, await packagedFetch(), false, base)
}

const known = options.known ? JSON.parse(fs.readFileSync(options.known)) : {}
const results = { ...known, ...getResults() }
const tests = suites.flatMap(suite => suite.tests.filter(applies).map(test => describe(suite, test)))
if (options.trace) {
  for (const { id, alone, message } of tests.filter(test => isChosen(test))) {
    console.log(`=== ${id}: ${alone}${message ? ` (${message})` : ''}`)
  }
} else {
  console.log(JSON.stringify({ results, tests }))
}

function describe (suite, test) {
  const raw = results[test.id]
  const outcome = honour => OUTCOMES[determineTestResult(suites, test.id, results, honour)[2]]
  return {
    id: test.id,
    suite: suite.id,
    kind: test.kind ?? 'required',
    name: test.name,
    outcome: outcome(true),
    alone: outcome(false),
    message: Array.isArray(raw) ? raw.join(': ') : ''
  }
}

// What a shared cache is measured by: all but what only a browser can be asked.
function applies (test) {
  return test.browser_only !== true
}

function isChosen (test) {
  return applies(test) && (options.only.length === 0 || options.only.includes(test.id))
}

async function loadSuites () {
  const suites = [...(await load(folder, 'tests', 'index.mjs')).default]
  // The package's command line adds this one, which its browser page leaves out.
  const extra = path.join(folder, 'tests', 'surrogate-control.mjs')
  if (fs.existsSync(extra)) suites.push((await load(extra)).default)
  return suites
}

async function packagedFetch () {
  const fetch = createRequire(path.join(folder, 'package.json'))('node-fetch')
  return (url, init) => fetch(url, { ...init, timeout: REQUEST_TIMEOUT_MS })
}
