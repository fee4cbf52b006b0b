"""What Sync's error codes are about (https://sync.so/docs, `GET /v2/errors`)."""

from service.providers.verdict import Family

IDEMPOTENCY = "IDEMPOTENCY_"
"""How codes begin that say that our key was used before."""


def _codes(names: str) -> frozenset[str]:
    return frozenset(names.split())


ACCOUNT = _codes(
    """
    account_payment_required account_on_hold free_tier_generations_exhausted generation_internal_auth
    """
)
"""Nothing more can be made for this account now, whatever is asked."""
THROTTLE = _codes("rate_limit_exceeded concurrency_limit_reached batch_concurrency_limit_reached")
INPUT = _codes(
    """
    generation_input_validation_failed generation_input_video_inaccessible
    generation_input_audio_inaccessible generation_input_image_inaccessible
    generation_input_video_invalid generation_input_audio_invalid generation_input_segments_invalid
    generation_input_trim_invalid generation_input_face_selection_invalid
    generation_input_resolution_unsupported generation_input_duration_greater_than_max_duration
    generation_input_asset_type_mismatch generation_input_too_many_visual
    generation_input_dub_audio_conflict generation_media_metadata_missing generation_audio_missing
    generation_video_missing generation_audio_length_exceeded generation_text_length_exceeded
    project_not_found asset_not_found asset_forbidden invalid_asset_id_format uploaded_file_not_found
    file_not_in_org_storage voice_not_found voice_sample_not_accessible
    voice_sample_type_unsupported voice_sample_upload_required voice_sample_extraction_failed
    voice_sample_source_too_large voice_sample_too_short voice_sample_invalid voice_name_conflict
    dialogue_edit_retime_required invalid_generation_id unsupported_generation_id_format
    generation_not_found cost_estimate_unavailable INVALID_IDEMPOTENCY_KEY
    """
)
"""What the request is made of: it would fail again."""
PLAN = _codes(
    """
    generation_unsupported_model generation_model_duration_exceeded generation_plan_duration_exceeded
    dubbing_duration_exceeded plan_feature_unavailable batch_plan_required voice_clone_limit_reached
    elevenlabs_quota_exceeded elevenlabs_api_key_invalid file_size_exceeds_plan_limit
    """
)
"""What the plan lacks for this request, not for others: the request's fault too."""
UPSTREAM = _codes(
    """
    generation_timeout generation_pipeline_failed generation_unhandled_error generation_unknown_error
    generation_database_error generation_infra_storage_error generation_infra_resource_exhausted
    generation_infra_service_unavailable generation_media_probe_timeout
    generation_media_probe_unavailable controller_timeout controller_unavailable
    controller_dependency_error internal_error usage_dependency_unavailable
    elevenlabs_service_unavailable voice_clone_busy
    """
)
"""Its own trouble: it may pass."""
ASK = _codes("generation_conflict generation_not_deletable_while_processing")
"""Something stands in the way that is there already."""
EXACT = (
    (ACCOUNT, Family.ACCOUNT),
    (THROTTLE, Family.THROTTLE),
    (INPUT | PLAN, Family.REQUEST),
    (UPSTREAM, Family.UPSTREAM),
    (ASK, Family.ASK),
)
"""The catalogue of `GET /v2/errors` as it was in August 2026, and the codes of older documents."""
BEGINS = (
    ("generation_input_", Family.REQUEST),
    ("generation_infra_", Family.UPSTREAM),
    ("generation_media_probe_", Family.UPSTREAM),
    ("controller_", Family.UPSTREAM),
    (IDEMPOTENCY, Family.TAKEN),
)


def family(code: str | None) -> Family:
    """Say what a code is about: exact codes first, then how it begins and ends."""
    if code is None:
        return Family.UNLISTED
    for codes, exact in EXACT:
        if code in codes:
            return exact
    for start, begun in BEGINS:
        if code.startswith(start):
            return begun
    return Family.REQUEST if code.endswith(("_exceeded", "_missing")) else Family.UNLISTED
