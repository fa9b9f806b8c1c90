"""Diffusers' pipelines with random weights, a few MB each: the real code, and pictures of noise.

Nothing is downloaded. PyTorch and diffusers are imported when the first one is made.
"""

import string
from importlib import import_module
from pathlib import Path
from typing import Any

CLIP_WORDS = ("<|startoftext|>", "<|endoftext|>")
T5_WORDS = ("<pad>", "</s>", "<unk>", "▁")
LETTERS = string.ascii_lowercase + string.digits + string.punctuation


def tiny_stable_diffusion(folder: Path, *, checked: bool = False) -> Path:
    """Save a pipeline that makes images; `checked`: its safety checker objects to everything."""
    torch, diffusers, transformers = _libraries()
    words = [*CLIP_WORDS, *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    text = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=1,
        num_attention_heads=4,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    pipe = diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            block_out_channels=[8, 8, 8, 8],
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            norm_num_groups=4,
        ),
        text_encoder=transformers.CLIPTextModel(text),
        tokenizer=transformers.CLIPTokenizer(
            vocab={word: index for index, word in enumerate(words)},
            merges=[],
            model_max_length=77,
        ),
        unet=diffusers.UNet2DConditionModel(
            sample_size=8,
            block_out_channels=[8, 16],
            layers_per_block=1,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
            cross_attention_dim=32,
            attention_head_dim=2,
            norm_num_groups=4,
        ),
        scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=_strict_checker(torch, transformers) if checked else None,
        feature_extractor=transformers.CLIPImageProcessor(size=30, crop_size=30),
        requires_safety_checker=checked,
    )
    pipe.save_pretrained(folder)
    return folder


def tiny_wan(folder: Path) -> Path:
    """Save a pipeline that makes clips."""
    _, diffusers, transformers = _libraries()
    words = [*T5_WORDS, *LETTERS]
    text = transformers.UMT5Config(
        vocab_size=len(words) + 8,
        d_model=16,
        d_kv=4,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    pipe = diffusers.WanPipeline(
        vae=diffusers.AutoencoderKLWan(
            base_dim=3,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ),
        text_encoder=transformers.UMT5EncoderModel(text),
        tokenizer=transformers.T5Tokenizer(vocab=[(word, -1.0) for word in words], extra_ids=0),
        transformer=diffusers.WanTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            text_dim=16,
            freq_dim=64,
            ffn_dim=32,
            num_layers=1,
            rope_max_seq_len=32,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipe.save_pretrained(folder)
    return folder


def _strict_checker(torch: Any, transformers: Any) -> Any:
    """A safety checker whose every concept is nearer than its threshold."""
    checkers = import_module("diffusers.pipelines.stable_diffusion.safety_checker")
    config = transformers.CLIPConfig(
        text_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 37,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 30,
            "patch_size": 15,
        },
        projection_dim=32,
    )
    checker = checkers.StableDiffusionSafetyChecker(config)
    torch.nn.init.constant_(checker.concept_embeds_weights, -2.0)  # a cosine is more than that
    return checker


def _libraries() -> tuple[Any, Any, Any]:
    torch, diffusers, transformers = map(import_module, ("torch", "diffusers", "transformers"))
    torch.manual_seed(0)
    diffusers.utils.logging.disable_progress_bar()
    return torch, diffusers, transformers
