// What the scripts for Node share; the questions are those of checks.py.

export const [URL, MODEL, ...only] = process.argv.slice(2)
export const BASE_URL = `${URL}/v1`
export const QUESTION = 'What is the capital of France?'
export const TOOL_QUESTION = 'What is the weather in Lima?'
export const SCHEMA_QUESTION = 'Give the capital of France as JSON.'
export const BAD_TEMPERATURE = 9

export async function refusal (kind, request) {
  try {
    await request()
  } catch (error) {
    if (!(error instanceof kind)) throw error
    return error.message
  }
  throw new Error('the request was accepted')
}

export async function run (capabilities) {
  for (const [name, capability] of Object.entries(capabilities)) {
    if (only.length > 0 && !only.includes(name)) continue
    let line
    try {
      const detail = await capability()
      line = { name, ok: true, detail: typeof detail === 'string' ? detail : JSON.stringify(detail) }
    } catch (error) {
      line = { name, ok: false, detail: `${error.name}: ${error.message}` }
    }
    console.log(JSON.stringify(line))
  }
}
