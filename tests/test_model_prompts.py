"""Learnable prompts against a position-by-position oracle of C.7 and open_clip's own text tower at full length."""

import pytest
import torch
from fake_encoders import text_tower
from open_clip.tokenizer import SimpleTokenizer

from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES
from cmhkf.errors import ConfigError
from cmhkf.model.texts import LearnablePrompts


@pytest.fixture(scope="module")
def clip():
    return text_tower(layers=2).requires_grad_(False)


def oracle(clip, table, label: str, prefix: int, postfix: int) -> torch.Tensor:
    """C.7, one position after the other, at the full 77 positions."""
    tokenizer = SimpleTokenizer()
    words = tokenizer.encode(label)
    rows = [clip.token_embedding.weight[tokenizer.sot_token_id]]
    for _ in range(prefix):
        rows.append(table[len(rows)])
    for token in words:
        rows.append(clip.token_embedding.weight[token])
    for _ in range(postfix):
        rows.append(table[len(rows)])
    end = len(rows)
    assert end == prefix + len(words) + 1 + postfix
    rows.append(clip.token_embedding.weight[tokenizer.eot_token_id])
    while len(rows) < 77:
        rows.append(table[len(rows)])
    x = torch.stack(rows)[None] + clip.positional_embedding
    x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask))
    return x[0, end] @ clip.text_projection


@pytest.mark.parametrize("classes", [XD_CLASSES, pytest.param(UCF_CLASSES, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("prefix", "postfix"),
    [(10, 10), pytest.param(4, 0, marks=pytest.mark.slow), pytest.param(0, 3, marks=pytest.mark.slow)],
)
def test_the_cut_context_equals_the_full_one(clip, classes, prefix, postfix):
    prompts = LearnablePrompts(classes, prefix=prefix, postfix=postfix)
    with torch.no_grad():
        prompts.table.mul_(100)  # large enough to matter
        features = prompts(clip)
        expected = torch.stack([oracle(clip, prompts.table, name, prefix, postfix) for name in classes])
    assert features.shape == (len(classes), 512)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)


def test_positions_are_those_of_the_paper_of_record(clip):
    """C.7: one label token stands at 11 with the end at 22; two stand at 11 and 12 with the end at 23."""
    prompts = LearnablePrompts(["normal", "car accident"])
    rows = prompts.embeddings(clip)
    encode = SimpleTokenizer().encode
    word = clip.token_embedding.weight
    assert rows.shape == (2, 24, 512)
    assert torch.equal(rows[0, 11], word[encode("normal")[0]])
    assert torch.equal(rows[1, 11:13], word[encode("car accident")])
    assert torch.equal(rows[0, 22], word[49407])
    assert torch.equal(rows[1, 23], word[49407])
    assert torch.equal(rows[:, 0], word[[49406, 49406]])
    assert torch.equal(rows[0, 12:22], prompts.table[12:22])  # indexed by absolute position
    assert torch.equal(rows[1, 13:23], prompts.table[13:23])
    assert prompts.end_idx.tolist() == [22, 23]


def test_without_context_they_are_clips_own_texts(clip):
    features = LearnablePrompts(XD_CLASSES, prefix=0, postfix=0)(clip)
    expected = clip.encode_text(SimpleTokenizer()(list(XD_CLASSES)))
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)


def test_gradients_reach_the_used_rows_of_the_table_and_nothing_of_clip(clip):
    prompts = LearnablePrompts(["normal", "car accident"])
    prompts(clip).square().sum().backward()
    grad = prompts.table.grad.abs().sum(dim=1)
    used = [*range(1, 11), *range(12, 23)]  # 11 is a label's in both; 0 is the start; 23 and on lie after the ends
    assert (grad[used] > 0).all()
    assert (grad[[i for i in range(77) if i not in used]] == 0).all()
    assert all(p.grad is None for p in clip.parameters())


def test_a_checkpoint_holds_the_table_alone(clip):
    prompts = LearnablePrompts(XD_CLASSES)
    prompts(clip)
    assert {name: tuple(value.shape) for name, value in prompts.state_dict().items()} == {"table": (77, 512)}
    assert abs(float(prompts.table.detach().std()) - 0.01) < 0.001


def test_a_prompt_too_long_for_clip_is_refused():
    with pytest.raises(ConfigError, match="class 'car accident' takes 84 tokens with prefix 40 and postfix 40"):
        LearnablePrompts(["normal", "car accident"], prefix=40, postfix=40)
    LearnablePrompts(["normal", "car accident"], prefix=40, postfix=33)  # 77 exactly
    with pytest.raises(ConfigError, match="takes 78 tokens"):
        LearnablePrompts(["normal", "car accident"], prefix=40, postfix=34)
