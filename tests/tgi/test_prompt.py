"""Prompts go to TGI as text, and become exactly the ids that they were made of."""

import json
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.processors import TemplateProcessing

from common.errors import InvalidValue
from common.models.model import DEMO_MODEL
from common.text.chat_template import load_chat_template
from common.text.tokenizer import LONG_TEXT, Tokenizer
from services._tgi.prompt import Prompt, Prompts

CHAT = "<|bos|><|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def without_bos(folder: Path) -> Tokenizer:
    """The demo model's, but that it adds no special token."""
    shutil.copy(DEMO_MODEL / "tokenizer_config.json", folder)
    written = json.loads((DEMO_MODEL / "tokenizer.json").read_text("utf-8"))
    written["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(written), "utf-8")
    return Tokenizer(folder)


def metaspace(folder: Path) -> Tokenizer:
    """In the manner of Llama 2: blanks are marks, and one is put before a text."""
    fast = FastTokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    fast.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=tokens, show_progress=False)
    fast.train_from_iterator(["Hello there, how are you today? I am fine."] * 20, trainer)
    fast.add_special_tokens([AddedToken(t, normalized=False) for t in ("<s>", "</s>", "[INST]")])
    fast.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", fast.token_to_id("<s>"))]
    )
    fast.save(str(folder / "tokenizer.json"))
    return Tokenizer(folder)


@pytest.fixture
def demo() -> Tokenizer:
    return Tokenizer(DEMO_MODEL)


def prompts(tokenizer: Tokenizer) -> Prompts:
    return Prompts(tokenizer, images=False)


def ids_of_tgi(tokenizer: Tokenizer, prompt: Prompt) -> list[int]:
    ids: list[int] = tokenizer.fast.encode(prompt.text, add_special_tokens=True).ids
    return ids


async def test_the_bos_of_a_template_is_left_to_tgi(demo: Tokenizer) -> None:
    ids = demo.fast.encode(CHAT, add_special_tokens=False).ids
    prompt = await prompts(demo).of(ids)
    assert prompt == Prompt(CHAT.removeprefix("<|bos|>"))
    assert ids_of_tgi(demo, prompt) == ids


async def test_a_bos_that_tgi_does_not_add_is_sent(tmp_path: Path) -> None:
    tokenizer = without_bos(tmp_path)
    ids = tokenizer.fast.encode(CHAT, add_special_tokens=False).ids
    assert await prompts(tokenizer).of(ids) == Prompt(CHAT)


async def test_a_bos_that_was_meant_to_come_twice_comes_twice(demo: Tokenizer) -> None:
    ids = demo.fast.encode("<|bos|><|bos|>Hello", add_special_tokens=False).ids
    assert await prompts(demo).of(ids) == Prompt("<|bos|>Hello")


async def test_the_bos_alone_is_what_truncation_leaves(demo: Tokenizer) -> None:
    prompt = await prompts(demo).of([0])
    assert prompt == Prompt("<|bos|>", truncate=1)
    assert prompt.followed_by(" Hello") == Prompt(" Hello")


@pytest.mark.parametrize("ids", [[82, 15], [0, 255], [0, 82, 130]])
async def test_ids_that_no_text_becomes_are_refused(demo: Tokenizer, ids: list[int]) -> None:
    """There is no BOS, or a byte that is no character."""
    with pytest.raises(InvalidValue, match="TGI takes a prompt as text") as raised:
        await prompts(demo).of(ids)
    assert raised.value.param == "prompt"


async def test_the_id_of_another_token_than_a_texts_own_is_refused(demo: Tokenizer) -> None:
    merged = demo.fast.encode("Hello", add_special_tokens=False).ids
    letters = [i for c in "Hello" for i in demo.fast.encode(c, add_special_tokens=False).ids]
    assert merged != letters
    with pytest.raises(InvalidValue):
        await prompts(demo).of([0, *letters])


@given(st.lists(st.text(max_size=30), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
async def test_every_chat_can_be_sent(texts: list[str]) -> None:
    demo = Tokenizer(DEMO_MODEL)
    template = load_chat_template(DEMO_MODEL, demo, None)
    assert template is not None
    roles = ("user", "assistant", "user")
    messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=False)]
    text = template.render(messages, tools=None, arguments=None)
    ids = await demo.encode(text, add_special_tokens=False)
    assert ids_of_tgi(demo, await prompts(demo).of(ids)) == ids


@pytest.mark.parametrize(
    "text", ["Hello there", " how are you", "[INST] Hello [INST]you</s>I", "猫"]
)
async def test_a_tokenizer_that_puts_blanks_before_text_gives_the_same_ids(
    tmp_path: Path, text: str
) -> None:
    tokenizer = metaspace(tmp_path)
    ids = tokenizer.fast.encode(text, add_special_tokens=True).ids
    assert ids_of_tgi(tokenizer, await prompts(tokenizer).of(ids)) == ids


async def test_text_that_would_make_tgi_open_an_address_is_refused(demo: Tokenizer) -> None:
    ids = demo.fast.encode("See ![](http://169.254.169.254/latest)").ids
    assert (await prompts(demo).of(ids)).text.endswith("latest)")
    with pytest.raises(InvalidValue, match="images are not supported"):
        await Prompts(demo, images=True).of(ids)


class Watched:
    """A fast tokenizer; `held_up` are the calls that decode many ids on the main thread."""

    def __init__(self, fast: FastTokenizer) -> None:
        self._fast = fast
        self.held_up: list[str] = []
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._fast, name)
        return partial(self._decode, name, method) if name.startswith("decode") else method

    def _decode(self, name: str, decode: Callable[..., Any], ids: Any, **options: Any) -> Any:
        self.calls += 1
        many = len(ids if name == "decode" else list(chain(*ids))) > LONG_TEXT
        if many and threading.current_thread() is threading.main_thread():
            self.held_up.append(name)
        return decode(ids, **options)


@pytest.mark.parametrize("ids", [[0, 82, 15] * 10_000, [0, 82, 130] * 10_000])
async def test_a_long_prompt_is_decoded_off_the_event_loop(demo: Tokenizer, ids: list[int]) -> None:
    """At once, and in the runs between special tokens that are tried when that was not it."""
    demo.fast = watched = Watched(demo.fast)  # type: ignore[assignment]
    with suppress(InvalidValue):
        await prompts(demo).of(ids)
    assert watched.calls
    assert not watched.held_up
