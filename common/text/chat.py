"""What makes prompts of conversations: a model's tokenizer and chat template.

Both say as well which tokens end an answer.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from common.models.config import CONFIG, TOKENIZER_CONFIG
from common.models.model import Model
from common.settings import Settings
from common.text.chat_template import ChatTemplate, load_chat_template
from common.text.template_forms import MARK
from common.text.tokenizer import Tokenizer

TEMPLATE = "the chat template"
TURN = ({"role": "user", "content": "Hello"}, {"role": "assistant", "content": MARK})

logger = logging.getLogger("bentoml.llm.chat")


@dataclass(frozen=True)
class Chat:
    """`model` is the one that was opened, with the end tokens of its tokenizer and template."""

    model: Model
    tokenizer: Tokenizer
    template: ChatTemplate | None


def open_chat(settings: Settings, model: Model) -> Chat:
    """Warns where the model's files contradict each other.

    Raises StartError for a tokenizer or chat template that cannot be used.
    """
    tokenizer = Tokenizer(model.path)
    template = load_chat_template(model.path, tokenizer, settings.chat_template)
    ends = {
        **model.config.end_token_ids_by_file,
        TOKENIZER_CONFIG: tokenizer.end_token_ids,
        TEMPLATE: frozenset() if template is None else turn_end(tokenizer, template),
    }
    _warn_of_end_tokens(ends, tokenizer)
    _warn_of_context(settings, model)
    own = ends[TOKENIZER_CONFIG] | ends[TEMPLATE]
    return Chat(replace(model, chat_end_token_ids=own), tokenizer, template)


def turn_end(tokenizer: Tokenizer, template: ChatTemplate) -> frozenset[int]:
    """Returns the id of the token that the template writes behind an assistant's last message,
    none where it writes something else or nothing."""
    text = template.attempt(TURN, {"add_generation_prompt": False})
    rest = "" if text is None else text.rpartition(MARK)[2].strip()
    tokens = [token for token in tokenizer.added_tokens if token.strip() and rest.startswith(token)]
    return frozenset(tokenizer.added_tokens[token] for token in sorted(tokens, key=len)[-1:])


def _warn_of_end_tokens(ends: Mapping[str, frozenset[int]], tokenizer: Tokenizer) -> None:
    """Warns where no file names all of them."""
    named = {name: ids for name, ids in ends.items() if ids}
    if not named or frozenset().union(*named.values()) in named.values():
        return
    words = (
        f"{name} {', '.join(_shown(token_id, tokenizer) for token_id in sorted(ids))}"
        for name, ids in named.items()
    )
    logger.warning(
        "the model's files name different end tokens, and each of them ends an answer: %s",
        "; ".join(words),
    )


def _shown(token_id: int, tokenizer: Tokenizer) -> str:
    return f"{tokenizer.fast.id_to_token(token_id)!r} ({token_id})"


def _warn_of_context(settings: Settings, model: Model) -> None:
    """Warns where a context that both files allow was not asked for."""
    own, other = model.config.context_length, model.config.tokenizer_limit
    if own is None or other is None or own == other:
        return
    if settings.max_model_len is not None and settings.max_model_len <= min(own, other):
        return
    counts = f"{CONFIG} counts"
    if other > own:
        counts += f", and max_model_len may be up to {other}"
    logger.warning(
        "the model's files name different contexts, %s %d tokens and %s %d; %s",
        CONFIG,
        own,
        TOKENIZER_CONFIG,
        other,
        counts,
    )
