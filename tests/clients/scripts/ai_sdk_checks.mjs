// What Vercel's AI SDK is asked for, whatever provider the model is of.

import { APICallError, Output, generateText, stepCountIs, streamText, tool } from 'ai'
import { z } from 'zod'
import { BAD_TEMPERATURE, QUESTION, SCHEMA_QUESTION, TOOL_QUESTION, refusal, run } from './checks.mjs'

const tools = {
  get_weather: tool({
    description: 'The weather of a city.',
    inputSchema: z.object({ city: z.string() }),
    execute: async () => ({ degrees: 18 })
  })
}

export async function check (model) {
  const ask = (prompt, more) => ({ model, prompt, temperature: 0, maxRetries: 0, ...more })
  await run({
    async plain () {
      return (await generateText(ask(QUESTION))).text
    },
    async stream () {
      let text = ''
      for await (const delta of streamText(ask(QUESTION)).textStream) text += delta
      return text
    },
    async tools () {
      return (await generateText(ask(TOOL_QUESTION, { tools, stopWhen: stepCountIs(2) }))).text
    },
    async forced () {
      const answer = await generateText(ask(TOOL_QUESTION, { tools, toolChoice: 'required' }))
      return answer.toolCalls[0].input
    },
    async schema () {
      const schema = z.object({ country: z.string(), capital: z.string() })
      const output = Output.object({ schema })
      return (await generateText(ask(SCHEMA_QUESTION, { output }))).output
    },
    async error () {
      const hot = ask(QUESTION, { temperature: BAD_TEMPERATURE })
      return await refusal(APICallError, () => generateText(hot))
    }
  })
}
