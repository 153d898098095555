// The openai package for Node.

import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import {
  BAD_TEMPERATURE, BASE_URL, MODEL, QUESTION, SCHEMA_QUESTION, TOOL_QUESTION, refusal, run
} from './checks.mjs'

const client = new OpenAI({ baseURL: BASE_URL, apiKey: 'none', dangerouslyAllowBrowser: true })
const chat = client.chat.completions
const parameters = {
  type: 'object', properties: { city: { type: 'string' } }, required: ['city']
}
const weather = { name: 'get_weather', description: 'The weather of a city.', parameters }

function body (question, fields = {}) {
  return { model: MODEL, messages: [{ role: 'user', content: question }], temperature: 0, ...fields }
}

await run({
  async plain () {
    return (await chat.create(body(QUESTION))).choices[0].message.content
  },
  async stream () {
    let text = ''
    for await (const chunk of await chat.create(body(QUESTION, { stream: true }))) {
      text += chunk.choices[0]?.delta?.content ?? ''
    }
    return text
  },
  async tools () {
    const call = { ...weather, function: () => '{"degrees": 18}', parse: JSON.parse }
    const tools = [{ type: 'function', function: call }]
    return await chat.runTools(body(TOOL_QUESTION, { tools, parallel_tool_calls: false })).finalContent()
  },
  async forced () {
    const tools = [{ type: 'function', function: weather }]
    const answer = await chat.create(body(TOOL_QUESTION, { tools, tool_choice: 'required' }))
    return answer.choices[0].message.tool_calls[0].function.arguments
  },
  async schema () {
    const shape = z.object({ country: z.string(), capital: z.string() })
    const format = zodResponseFormat(shape, 'Capital')
    const answer = await chat.parse(body(SCHEMA_QUESTION, { response_format: format }))
    return answer.choices[0].message.parsed
  },
  async error () {
    const hot = body(QUESTION, { temperature: BAD_TEMPERATURE })
    return await refusal(OpenAI.BadRequestError, () => chat.create(hot))
  }
})
