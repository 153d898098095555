/** One streamed answer: its text as it comes, its times and counts, and how it ended. */

import { Problem, request } from './api.js'

const CUT = 'The connection ended before the answer was complete.'

/** Returns an answer that `receive` fills. Times are in milliseconds. */
export const emptyAnswer = () => ({
  text: '',
  reasoning: '',
  finishReason: null,
  usage: null,
  problem: null,
  stopped: false,
  sent: performance.now(),
  first: null,
  last: null,
  tokensAtFirst: 0,
  tokensAtLast: 0,
})

/** Fill `answer` from the stream, and call `changed` after each piece. It never throws. */
export async function receive(answer, body, signal, changed) {
  const options = { include_usage: true, continuous_usage_stats: true }
  try {
    const response = await request('v1/chat/completions', {
      body: { ...body, stream: true, stream_options: options },
      signal,
    })
    let complete = false
    for await (const data of events(response.body)) {
      complete = data === '[DONE]'
      if (!complete) take(answer, JSON.parse(data))
      changed()
    }
    if (!complete) throw new Problem({ message: CUT })
  } catch (error) {
    if (signal.aborted) answer.stopped = true
    else answer.problem = error instanceof Problem ? error : new Problem({ message: CUT })
  }
}

/** Yields the data of each server-sent event. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let pending = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const parts = (pending + value).split('\n\n')
    pending = parts.pop()
    for (const part of parts) yield part.replace(/^data: /, '')
  }
}

function take(answer, chunk) {
  if (chunk.error) throw new Problem(chunk.error)
  answer.usage = chunk.usage ?? answer.usage
  const choice = chunk.choices[0]
  if (!choice) return
  const { content, reasoning, reasoning_content: sameReasoning } = choice.delta
  answer.finishReason = choice.finish_reason ?? answer.finishReason
  const thought = reasoning ?? sameReasoning
  if (!content && !thought) return
  answer.text += content ?? ''
  answer.reasoning += thought ?? ''
  answer.last = performance.now()
  answer.tokensAtLast = answer.usage?.completion_tokens ?? 0
  if (answer.first === null) {
    answer.first = answer.last
    answer.tokensAtFirst = answer.tokensAtLast
  }
}

/** Returns the parts of the line under an answer: times, rate and counts, where they are known. */
export function figures(answer) {
  const parts = []
  if (answer.first !== null) parts.push(`first token after ${seconds(answer.first - answer.sent)}`)
  const tokens = answer.tokensAtLast - answer.tokensAtFirst
  const milliseconds = answer.last - answer.first
  if (tokens > 1 && milliseconds > 0) {
    parts.push(`${decimal((1000 * tokens) / milliseconds)} tokens/s`)
  }
  if (answer.usage) {
    const { prompt_tokens: prompt, completion_tokens: completion } = answer.usage
    const cached = answer.usage.prompt_tokens_details?.cached_tokens
    parts.push(`${prompt} prompt tokens${cached ? `, ${cached} of them cached` : ''}`)
    parts.push(`${completion} answer ${completion === 1 ? 'token' : 'tokens'}`)
  }
  if (answer.last !== null) parts.push(`${seconds(answer.last - answer.sent)} in all`)
  return parts
}

const decimal = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
const seconds = (milliseconds) =>
  milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${decimal(milliseconds / 1000)} s`
