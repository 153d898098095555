"""pydantic-ai: the same agents on AnthropicModel, which asks /v1/messages.

It asks for a JSON schema only where it knows the model by its name.
"""

from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from tests.clients.scripts import pydantic_ai_agent as agents
from tests.clients.scripts.checks import MODEL, URL, run

model = AnthropicModel(
    MODEL,
    provider=AnthropicProvider(base_url=URL, api_key="none"),
    # By itself it asks for more tokens than many models have.
    settings={"max_tokens": 1024},
)

if __name__ == "__main__":
    agents.model = model
    run(agents.plain, agents.stream, agents.tools, agents.forced, agents.error)
