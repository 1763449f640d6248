// The workflows of the comparison, as a user of Mastra writes them. Their twins for openclaw are in
// tests/bench/src/scenario.rs and tests/bench/src/peer/crash.rs.
import { createStep, createWorkflow } from '@mastra/core/workflows'
import { z } from 'zod'

const any = z.any()

/// Asks the server that counts, and answers what it answered. `path` may depend on the input.
async function ask(base, run, path, body, abortSignal) {
  const answer = await fetch(`${base}/${run}/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: abortSignal,
  })
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  return await answer.json()
}

/// A step that makes one call.
const call = (base, id, options = {}) =>
  createStep({
    id: `call-${id}`,
    inputSchema: any,
    outputSchema: any,
    execute: ({ inputData, runId }) => ask(base, runId, id, inputData),
    ...options,
  })

/// A step that makes one call for an item of a list, which says which run it belongs to.
const callItem = (base) =>
  createStep({
    id: 'call-item',
    inputSchema: any,
    outputSchema: any,
    execute: ({ inputData }) => ask(base, inputData.run, inputData.n, inputData),
  })

const compute = (id) =>
  createStep({ id: `set-${id}`, inputSchema: any, outputSchema: any, execute: async () => ({ n: id }) })

const workflow = (id) => createWorkflow({ id, inputSchema: any, outputSchema: any })

function chain(id, steps) {
  return steps.reduce((flow, step) => flow.then(step), workflow(id)).commit()
}

const numbers = (count) => Array.from({ length: count }, (_, n) => n)

/// All of them by name.
export function workflows(base) {
  const calls = (count) => numbers(count).map((n) => call(base, n))
  const child = chain('child', [callItem(base)])
  const pair = chain('pair', [call(base, 'first'), call(base, 'second')])
  return {
    // Measured.
    'sequence-5': chain('sequence-5', calls(5)),
    'sequence-10': chain('sequence-10', calls(10)),
    'sequence-100': chain('sequence-100', calls(100)),
    'fork-10': workflow('fork-10').parallel(calls(10)).commit(),
    'for-100': workflow('for-100').foreach(callItem(base), { concurrency: 1 }).commit(),
    'children-10': workflow('children-10').foreach(child, { concurrency: 1 }).commit(),
    'compute-10': chain('compute-10', numbers(10).map(compute)),
    doze: workflow('doze').sleep(3_600_000).then(compute('awake')).commit(),
    // Killed.
    five: chain('five', ['a', 'b', 'c', 'd', 'e'].map((name) => call(base, name))),
    branches: workflow('branches').parallel(['left', 'right', 'slow'].map((name) => call(base, name))).commit(),
    items: workflow('items').foreach(callItem(base), { concurrency: 1 }).commit(),
    loop: workflow('loop')
      .dountil(
        createStep({
          id: 'turn',
          inputSchema: any,
          outputSchema: any,
          execute: async ({ inputData, runId }) => {
            const turn = (inputData.turn ?? -1) + 1
            await ask(base, runId, turn, {})
            return { turn }
          },
        }),
        async ({ inputData }) => inputData.turn >= 5,
      )
      .commit(),
    nap: workflow('nap').sleep(6000).then(call(base, 'woken')).commit(),
    naps: workflow('naps').sleep(2000).then(call(base, 'up')).commit(),
    flaky: chain('flaky', [call(base, 'try', { retries: 4 })]),
    nested: workflow('nested').then(call(base, 'before')).then(pair).then(call(base, 'after')).commit(),
    decision: workflow('decision')
      .then(call(base, 'before'))
      .then(
        createStep({
          id: 'approve',
          inputSchema: any,
          outputSchema: any,
          resumeSchema: any,
          execute: async ({ resumeData, suspend }) => (resumeData ? resumeData : await suspend({})),
        }),
      )
      .then(call(base, 'pay'))
      .then(call(base, 'after'))
      .commit(),
  }
}

/// What a run of a workflow is given.
export function input(name, run) {
  const items = (count) => numbers(count).map((n) => ({ run, n }))
  switch (name) {
    case 'for-100':
      return items(100)
    case 'children-10':
    case 'items':
      return items(10)
    default:
      return { n: 0 }
  }
}
