"""Models: the union of what the inference servers serve."""

from conftest import CHAT_MODEL, EMBEDDINGS_MODEL


def test_the_models_of_every_upstream_are_listed(client):
    listed = {model.id: model for model in client.models.list()}
    assert {CHAT_MODEL, EMBEDDINGS_MODEL} <= set(listed)
    assert client.models.retrieve(CHAT_MODEL) == listed[CHAT_MODEL]
    assert listed[CHAT_MODEL].object == "model"
