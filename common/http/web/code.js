/** A request as code that users can run: with a placeholder where their API key goes. */

const OF_OPENAI = new Set([
  'model', 'messages', 'max_tokens', 'temperature', 'top_p', 'presence_penalty',
  'frequency_penalty', 'seed', 'stop', 'reasoning_effort',
])

/** Returns a command; `keyed` says whether the service asks for a key. */
export function curl(url, body, keyed) {
  const data = JSON.stringify({ ...body, stream: true }, null, 2).replaceAll("'", "'\\''")
  const parts = [
    `curl -sN ${url}/v1/chat/completions`,
    "-H 'content-type: application/json'",
    ...(keyed ? ['-H "authorization: Bearer $API_KEY"'] : []),
    `-d '${data}'`,
  ]
  return parts.join(' \\\n  ')
}

/** Returns a program for the openai package. */
export function python(url, body, keyed) {
  const entries = Object.entries(body)
  const known = entries.filter(([name]) => OF_OPENAI.has(name))
  const others = Object.fromEntries(entries.filter(([name]) => !OF_OPENAI.has(name)))
  const fields = known.map(([name, value]) => `    ${name}=${literal(value, '    ')},\n`)
  if (Object.keys(others).length) fields.push(`    extra_body=${literal(others, '    ')},\n`)
  const start = keyed ? 'import os\n\nfrom' : 'from'
  const key = keyed ? 'os.environ["API_KEY"]' : '"none"'
  return `${start} openai import OpenAI

client = OpenAI(base_url="${url}/v1", api_key=${key})
chunks = client.chat.completions.create(
${fields.join('')}    stream=True,
)
for chunk in chunks:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
`
}

function literal(value, indent) {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value !== 'object') return JSON.stringify(value)
  const deeper = `${indent}    `
  const items = Array.isArray(value)
    ? value.map((each) => literal(each, deeper))
    : Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each, deeper)}`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  const flat = `${open}${items.join(', ')}${close}`
  if (flat.length < 60) return flat
  return `${open}\n${items.map((each) => `${deeper}${each},\n`).join('')}${indent}${close}`
}
