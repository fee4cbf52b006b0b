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
REQUEST = _codes(
    """
    generation_unsupported_model generation_media_metadata_missing generation_audio_length_exceeded
    generation_text_length_exceeded generation_audio_missing generation_video_missing
    generation_model_duration_exceeded generation_plan_duration_exceeded dubbing_duration_exceeded
    plan_feature_unavailable batch_plan_required elevenlabs_quota_exceeded elevenlabs_api_key_invalid
    project_not_found asset_not_found asset_forbidden invalid_asset_id_format uploaded_file_not_found
    file_not_in_org_storage file_size_exceeds_plan_limit dialogue_edit_retime_required
    voice_not_found voice_sample_not_accessible voice_sample_type_unsupported
    voice_sample_upload_required voice_sample_extraction_failed voice_sample_source_too_large
    voice_sample_too_short voice_sample_invalid voice_clone_limit_reached INVALID_IDEMPOTENCY_KEY
    """
)
"""The request would fail again; a feature that the plan lacks is the request's fault too."""
UPSTREAM = _codes(
    """
    generation_timeout generation_pipeline_failed generation_unhandled_error generation_unknown_error
    generation_database_error controller_timeout controller_unavailable controller_dependency_error
    internal_error usage_dependency_unavailable elevenlabs_service_unavailable voice_clone_busy
    """
)
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
    for codes, exact in (
        (ACCOUNT, Family.ACCOUNT),
        (THROTTLE, Family.THROTTLE),
        (REQUEST, Family.REQUEST),
        (UPSTREAM, Family.UPSTREAM),
    ):
        if code in codes:
            return exact
    for start, begun in BEGINS:
        if code.startswith(start):
            return begun
    return Family.REQUEST if code.endswith(("_exceeded", "_missing")) else Family.UNLISTED
