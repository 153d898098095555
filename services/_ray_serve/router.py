"""Ray's router by shared prefixes, for prompts of token ids. It runs where the app takes requests.

Ray sends the class there by value, so it uses nothing else of this repository.
"""

import logging
import time
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.llm._internal.serve.routing_policies.prefix_aware.prefix_tree import PrefixTreeActor
from ray.serve.llm.request_router import PrefixCacheAffinityRouter

FIRST_CHARACTER = 0xE000
"""Of token 0. Those before it have the surrogates among them, which cannot travel in a text."""

logger = logging.getLogger("ray.serve")


class TokenPrefixRouter(PrefixCacheAffinityRouter):
    """Ray's router, which sees a character for each token of a prompt.

    Ray's own finds no text in token ids and divides by its length. An error while it chooses leaves
    the request waiting for ever, so here Ray's choice by the queues is left then; that is also how
    requests go on when the node is gone that had the tree of prompts.
    """

    def initialize_state(self, **given: Any) -> None:
        self._given = given
        deployment = self._deployment_id
        # Ray's own tree asks for a processor, for which all requests wait where none is free, and
        # outlives its app; this one ends with the process that has made it.
        tree = PrefixTreeActor.options(
            name=deployment.name,
            namespace=deployment.app_name,
            get_if_exists=True,
            num_cpus=0,
        ).remote()
        super().initialize_state(tree_actor=tree, **given)

    def _normalize_prompt_to_string(self, prompt: Any) -> str:
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
            return "".join([chr(FIRST_CHARACTER + token) for token in prompt])
        text: str = super()._normalize_prompt_to_string(prompt)
        return text

    async def _prefix_match_best_replicas(self, *args: Any) -> Any:
        try:
            return await super()._prefix_match_best_replicas(*args)
        except Exception as error:
            logger.warning("routed by the queues, not by its prefix: %s", type(error).__name__)
            return [[]]

    def on_request_routed(self, *args: Any) -> None:
        try:
            super().on_request_routed(*args)
        except Exception as error:
            logger.warning("its prompt is not remembered: %s", type(error).__name__)

    def on_replica_actor_died(self, replica_id: Any) -> None:
        try:
            super().on_replica_actor_died(replica_id)
        except RayActorError:
            self._make_new_tree()

    def update_replicas(self, replicas: Any) -> None:
        try:
            super().update_replicas(replicas)
        except RayActorError:
            self._make_new_tree()

    def _make_new_tree(self) -> None:
        """Makes a new tree in place of one that has died."""
        self.initialize_state(**self._given)
        known = [replica.to_full_id_str() for replica in self._replica_id_set]
        ray.get(self._tree_actor.add_tenants.remote(known, time.time()))
