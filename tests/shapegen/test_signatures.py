# SPDX-License-Identifier: Apache-2.0
"""Public functions take the published arguments, under their names and in their order, first."""

import inspect

import pytest
from golden import resolve

ARGUMENTS = {
    "pipelines.Hunyuan3DDiTPipeline.__init__": (
        "vae model scheduler conditioner image_processor device dtype"
    ),
    "pipelines.Hunyuan3DDiTPipeline.from_single_file": (
        "ckpt_path config_path device dtype use_safetensors"
    ),
    "pipelines.Hunyuan3DDiTPipeline.from_pretrained": (
        "model_path device dtype use_safetensors variant subfolder"
    ),
    "pipelines.Hunyuan3DDiTPipeline.to": "device dtype",
    "pipelines.Hunyuan3DDiTPipeline.enable_flashvdm": (
        "enabled adaptive_kv_selection topk_mode mc_algo replace_vae"
    ),
    "pipelines.Hunyuan3DDiTPipeline.enable_model_cpu_offload": "gpu_id device",
    "pipelines.Hunyuan3DDiTPipeline.encode_cond": (
        "image additional_cond_inputs do_classifier_free_guidance dual_guidance"
    ),
    "pipelines.Hunyuan3DDiTPipeline.prepare_image": "image",
    "pipelines.Hunyuan3DDiTPipeline.prepare_latents": "batch_size dtype device generator latents",
    "pipelines.Hunyuan3DDiTPipeline.prepare_extra_step_kwargs": "generator eta",
    "pipelines.Hunyuan3DDiTPipeline.get_guidance_scale_embedding": "w embedding_dim dtype",
    "pipelines.Hunyuan3DDiTPipeline.set_surface_extractor": "mc_algo",
    "pipelines.export_to_trimesh": "mesh_output",
    "pipelines.instantiate_from_config": "config",
    "pipelines.retrieve_timesteps": "scheduler num_inference_steps device timesteps sigmas",
    "models.autoencoders.VectsetVAE.__init__": "volume_decoder surface_extractor",
    "models.autoencoders.VectsetVAE.from_single_file": (
        "ckpt_path config_path device dtype use_safetensors"
    ),
    "models.autoencoders.VectsetVAE.from_pretrained": (
        "model_path device dtype use_safetensors variant subfolder"
    ),
    "models.autoencoders.VectsetVAE.init_from_ckpt": "path ignore_keys",
    "models.autoencoders.VectsetVAE.latents2mesh": "latents",
    "models.autoencoders.VectsetVAE.enable_flashvdm_decoder": (
        "enabled adaptive_kv_selection topk_mode mc_algo"
    ),
    "models.autoencoders.ShapeVAE.__init__": (
        "num_latents embed_dim width heads num_decoder_layers num_encoder_layers pc_size "
        "pc_sharpedge_size point_feats downsample_ratio geo_decoder_downsample_ratio "
        "geo_decoder_mlp_expand_ratio geo_decoder_ln_post num_freqs include_pi qkv_bias qk_norm "
        "label_type drop_path_rate scale_factor use_ln_post ckpt_path"
    ),
    "models.autoencoders.ShapeVAE.forward": "latents",
    "models.autoencoders.ShapeVAE.decode": "latents",
    "models.autoencoders.ShapeVAE.encode": "surface sample_posterior",
    "models.autoencoders.model.DiagonalGaussianDistribution.__init__": (
        "parameters deterministic feat_dim"
    ),
    "models.autoencoders.model.DiagonalGaussianDistribution.kl": "other dims",
    "models.autoencoders.model.DiagonalGaussianDistribution.nll": "sample dims",
    "models.autoencoders.Latent2MeshOutput.__init__": "mesh_v mesh_f",
    "models.autoencoders.CrossAttentionDecoder.forward": "queries query_embeddings latents",
    "models.autoencoders.VanillaVolumeDecoder.__call__": (
        "latents geo_decoder bounds num_chunks mc_level octree_resolution"
    ),
    "models.autoencoders.HierarchicalVolumeDecoding.__call__": (
        "latents geo_decoder bounds num_chunks mc_level octree_resolution min_resolution"
    ),
    "models.autoencoders.FlashVDMVolumeDecoding.__call__": (
        "latents geo_decoder bounds num_chunks mc_level octree_resolution min_resolution "
        "mini_grid_num"
    ),
    "models.autoencoders.FlashVDMVolumeDecoding.__init__": "topk_mode",
    "models.autoencoders.FlashVDMCrossAttentionProcessor.__init__": "topk",
    "models.autoencoders.CrossAttentionProcessor.__call__": "attn q k v",
    "models.autoencoders.MCSurfaceExtractor.__call__": "grid_logits",
    "models.autoencoders.volume_decoders.generate_dense_grid_points": (
        "bbox_min bbox_max octree_resolution indexing"
    ),
    "models.autoencoders.volume_decoders.extract_near_surface_volume_fn": "input_tensor alpha",
    "models.autoencoders.attention_blocks.FourierEmbedder.__init__": (
        "num_freqs logspace input_dim include_input include_pi"
    ),
    "models.autoencoders.attention_blocks.fps": "src batch ratio random_start",
    "models.Hunyuan3DDiT.__init__": (
        "in_channels context_in_dim hidden_size mlp_ratio num_heads depth depth_single_blocks "
        "axes_dim theta qkv_bias time_factor guidance_embed ckpt_path"
    ),
    "models.Hunyuan3DDiT.forward": "x t contexts",
    "models.denoisers.hunyuan3ddit.timestep_embedding": "t dim max_period time_factor",
    "models.denoisers.hunyuandit.HunYuanDiTPlain.__init__": (
        "input_size in_channels hidden_size context_dim depth num_heads mlp_ratio norm_type "
        "qk_norm_type qk_norm text_len with_decoupled_ca additional_cond_hidden_state "
        "decoupled_ca_dim decoupled_ca_weight use_pos_emb use_attention_pooling "
        "guidance_cond_proj_dim qkv_bias num_moe_layers num_experts moe_top_k"
    ),
    "models.denoisers.hunyuandit.HunYuanDiTPlain.forward": "x t contexts",
    "models.denoisers.hunyuandit.Timesteps.__init__": (
        "num_channels downscale_freq_shift scale max_period"
    ),
    "models.conditioner.ImageEncoder.__init__": "version config use_cls_token image_size",
    "models.conditioner.DinoImageEncoderMV.__init__": (
        "version config use_cls_token image_size view_num"
    ),
    "models.conditioner.ImageEncoder.forward": "image mask value_range",
    "models.conditioner.DinoImageEncoderMV.forward": "image mask value_range view_idxs",
    "models.conditioner.ImageEncoder.unconditional_embedding": "batch_size",
    "models.conditioner.DinoImageEncoderMV.unconditional_embedding": "batch_size view_idxs",
    "models.conditioner.SingleImageEncoder.__init__": "main_image_encoder",
    "models.conditioner.DualImageEncoder.__init__": "main_image_encoder additional_image_encoder",
    "models.conditioner.build_image_encoder": "config",
    "models.conditioner.get_1d_sincos_pos_embed_from_grid": "embed_dim pos",
    "preprocessors.ImageProcessorV2.__init__": "size border_ratio",
    "preprocessors.ImageProcessorV2.__call__": "image border_ratio to_tensor",
    "preprocessors.ImageProcessorV2.recenter": "image border_ratio",
    "preprocessors.MVImageProcessorV2.__call__": "image_dict border_ratio to_tensor",
    "schedulers.FlowMatchEulerDiscreteScheduler.__init__": (
        "num_train_timesteps shift use_dynamic_shifting"
    ),
    "schedulers.FlowMatchEulerDiscreteScheduler.set_timesteps": (
        "num_inference_steps device sigmas mu"
    ),
    "schedulers.FlowMatchEulerDiscreteScheduler.step": (
        "model_output timestep sample s_churn s_tmin s_tmax s_noise generator return_dict"
    ),
    "schedulers.FlowMatchEulerDiscreteScheduler.scale_noise": "sample timestep noise",
    "schedulers.FlowMatchEulerDiscreteScheduler.time_shift": "mu sigma t",
    "schedulers.ConsistencyFlowMatchEulerDiscreteScheduler.__init__": (
        "num_train_timesteps pcm_timesteps"
    ),
    "schedulers.ConsistencyFlowMatchEulerDiscreteScheduler.set_timesteps": (
        "num_inference_steps device sigmas"
    ),
    "schedulers.ConsistencyFlowMatchEulerDiscreteScheduler.step": (
        "model_output timestep sample generator return_dict"
    ),
    "surface_loaders.normalize_mesh": "mesh scale",
    "surface_loaders.sample_pointcloud": "mesh num",
    "surface_loaders.sharp_sample_pointcloud": "mesh num",
    "surface_loaders.SurfaceLoader.__init__": "num_points",
    "surface_loaders.SurfaceLoader.__call__": "mesh_or_path num_points",
    "surface_loaders.SharpEdgeSurfaceLoader.__init__": "num_uniform_points num_sharp_points",
    "surface_loaders.SharpEdgeSurfaceLoader.__call__": (
        "mesh_or_path num_uniform_points num_sharp_points"
    ),
    "postprocessors.FaceReducer.__call__": "mesh max_facenum",
    "postprocessors.FloaterRemover.__call__": "mesh",
    "postprocessors.DegenerateFaceRemover.__call__": "mesh",
    "postprocessors.MeshSimplifier.__init__": "executable",
    "postprocessors.MeshSimplifier.__call__": "mesh",
    "postprocessors.load_mesh": "path",
    "postprocessors.reduce_face": "mesh max_facenum",
    "postprocessors.remove_floater": "mesh",
    "postprocessors.export_mesh": "input output",
    "postprocessors.import_mesh": "mesh",
    "postprocessors.mesh_normalize": "mesh",
    "postprocessors.pymeshlab2trimesh": "mesh",
    "postprocessors.trimesh2pymeshlab": "mesh",
    "utils.smart_load_model": "model_path subfolder use_safetensors variant",
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_keep_names_and_order(name):
    found = inspect.signature(resolve(f"hy3dgen.shapegen.{name}")).parameters
    wanted = ARGUMENTS[name].split()
    assert [item for item in found if item not in ("self", "cls")][: len(wanted)] == wanted
