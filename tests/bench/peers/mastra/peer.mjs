// Mastra as its documentation has it for one machine: the default engine, LibSQL in a file. Started by
// tests/bench/src/peer/process.rs, which writes one JSON command a line to its standard input and reads one JSON
// answer a line from its standard output.
//
//   node peer.mjs DATABASE BASE-URL
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import readline from 'node:readline'

import { Mastra } from '@mastra/core'
import { LibSQLStore } from '@mastra/libsql'

import { input, workflows } from './workflows.mjs'

const [database, base] = process.argv.slice(2)
const storage = new LibSQLStore({ id: 'storage', url: `file:${database}` })
const mastra = new Mastra({ storage, workflows: workflows(base), logger: false })
await storage.init()

async function once(name) {
  const runId = randomUUID()
  const run = await mastra.getWorkflow(name).createRun({ runId })
  const result = await run.start({ inputData: input(name, runId) })
  if (result.status !== 'success') throw new Error(`${name}: ${JSON.stringify(result).slice(0, 500)}`)
}

const commands = {
  // Callers that each wait for the end of one run before they begin the next; those under way at the end are counted.
  async drive({ workflow, atOnce, ms }) {
    const began = performance.now()
    const latencies = []
    const caller = async () => {
      while (performance.now() - began < ms) {
        const started = performance.now()
        await once(workflow)
        latencies.push(performance.now() - started)
      }
    }
    await Promise.all(numbers(atOnce).map(caller))
    return { seconds: (performance.now() - began) / 1000, latencies }
  },
  // So many runs, one after the other.
  async runs({ workflow, count }) {
    for (let n = 0; n < count; n++) await once(workflow)
    return {}
  },
  // Starts a run and does not wait for it.
  async begin({ workflow, runId }) {
    const run = await mastra.getWorkflow(workflow).createRun({ runId })
    run.start({ inputData: input(workflow, runId) }).catch(() => {})
    return {}
  },
  // Resumes a suspended run and does not wait for its end.
  async resume({ workflow, runId, step }) {
    const run = await mastra.getWorkflow(workflow).createRun({ runId })
    run.resume({ step, resumeData: { decision: 'approved' } }).catch(() => {})
    return {}
  },
  // Starts so many runs that sleep for an hour, and waits until all of them do.
  async doze({ count }) {
    const workflow = mastra.getWorkflow('doze')
    for (let n = 0; n < count; n++) {
      const run = await workflow.createRun()
      run.start({ inputData: {} }).catch(() => {})
    }
    const asleep = async () => (await workflow.listWorkflowRuns({ status: 'waiting', perPage: 1, page: 0 })).total
    while ((await asleep()) < count) await new Promise((resolve) => setTimeout(resolve, 200))
    return {}
  },
  // What the documentation says to do after a crash.
  async recover() {
    mastra.restartAllActiveWorkflowRuns().catch(() => {})
    return {}
  },
  async status({ workflow, runId }) {
    const run = await mastra.getWorkflow(workflow).getWorkflowRunById(runId)
    return { status: run?.status ?? run?.snapshot?.status ?? 'unknown' }
  },
  async resident() {
    const line = readFileSync('/proc/self/status', 'utf8').match(/^VmRSS:\s+(\d+)/m)
    return { mb: (Number(line[1]) * 1024) / 1e6 }
  },
  async quit() {
    await storage.close?.()
    setImmediate(() => process.exit(0))
    return {}
  },
}

const numbers = (count) => Array.from({ length: count }, (_, n) => n)
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`)

say({ ready: true })
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line)
  try {
    say(await commands[command](rest))
  } catch (error) {
    say({ error: String(error?.stack ?? error) })
  }
}
