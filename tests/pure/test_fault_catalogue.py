"""Every error code that either upstream's documents name: retry, never, or ask."""

import itertools
from collections import Counter

import pytest

from service.core.fault import FaultKind
from service.providers.runware import faults as runware
from service.providers.sync_so import faults as sync_so
from service.providers.verdict import KINDS, Family

RETRY, NEVER, ASK = FaultKind.TRANSIENT, FaultKind.PERMANENT, FaultKind.UNKNOWN

RUNWARE: dict[FaultKind, str] = {
    RETRY: """
        invalidApiKey missingApiKey unauthorized forbidden permissionDenied insufficientPermissions
        authenticationFailed authFailed authTimeout invalidAuthentication invalidCredentials
        missingAuthentication tokenExpired tokenInvalid tokenMissing tokenRevoked accountSuspended
        accountDisabled organizationSuspended organizationDisabled workspaceSuspended
        workspaceDisabled insufficientCredits quotaExceeded paymentRequired environmentPaused
        rateLimitExceeded inferenceRateLimitExceeded providerRateLimitExceeded
        timeout providerTimeout providerGatewayTimeout requestTimeout webhookTimeout timeoutProvider
        providerInsufficientCredits thirdPartyInsufficientCredits
        inferenceError processingFailed taskFailed downloadFailed uploadFailed noAvailableServer
        modelUnavailable modelNotReady mediaStorageFileCouldNotBeMoved providerError
        providerUnavailable providerBadGateway providerInternalError providerUnknownError
        providerAuthenticationFailed
        internalServerError serviceUnavailable serverUnavailable standardError unknownError
        undefinedError defaultError unrecognizedResponse
    """,
    NEVER: """
        contentPolicyViolation providerContentPolicyViolation sensitiveContentDetected
        unsafeContentDetected nsfwContentDetected promptBlocked imageBlocked moderationFailed
        invalidProviderContent mediaNotFound mediaExpired modelNotFound unknownModel modelDisabled
        inferenceRateLimitRequestTooLarge invalidModel unsupportedDuration unsupportedParameter
        unsupportedTaskType unknownParameter incompatibleParameters valueTooLarge arrayTooSmall
        validationFailed modelAlreadyExists
    """,
    ASK: "conflictTaskUUID taskFailedOrNotFound taskNotFound taskCancelled taskExpired",
}
SYNC: dict[FaultKind, str] = {
    RETRY: """
        generation_pipeline_failed generation_unknown_error generation_infra_storage_error
        generation_infra_resource_exhausted generation_infra_service_unavailable
        free_tier_generations_exhausted account_payment_required account_on_hold
        concurrency_limit_reached rate_limit_exceeded generation_media_probe_timeout
        generation_media_probe_unavailable controller_timeout controller_unavailable
        controller_dependency_error internal_error voice_clone_busy elevenlabs_service_unavailable
        usage_dependency_unavailable
    """,
    NEVER: """
        generation_unsupported_model generation_input_validation_failed
        generation_input_video_inaccessible generation_input_audio_inaccessible
        generation_input_image_inaccessible generation_input_video_invalid
        generation_input_audio_invalid generation_input_segments_invalid
        generation_input_trim_invalid generation_input_face_selection_invalid
        generation_input_resolution_unsupported
        generation_input_duration_greater_than_max_duration generation_model_duration_exceeded
        generation_plan_duration_exceeded dubbing_duration_exceeded plan_feature_unavailable
        voice_clone_limit_reached elevenlabs_quota_exceeded generation_input_asset_type_mismatch
        generation_input_too_many_visual generation_input_dub_audio_conflict invalid_generation_id
        unsupported_generation_id_format generation_not_found project_not_found asset_not_found
        asset_forbidden invalid_asset_id_format uploaded_file_not_found file_not_in_org_storage
        file_size_exceeds_plan_limit voice_not_found voice_sample_not_accessible
        voice_sample_type_unsupported voice_sample_upload_required voice_sample_extraction_failed
        voice_sample_source_too_large voice_sample_too_short voice_sample_invalid
        voice_name_conflict elevenlabs_api_key_invalid
    """,
    ASK: "generation_conflict generation_not_deletable_while_processing",
}
"""The 62 codes that `GET /v2/errors` had in August 2026."""
OLDER: dict[FaultKind, str] = {
    RETRY: """
        generation_timeout generation_database_error generation_internal_auth
        generation_unhandled_error batch_concurrency_limit_reached
    """,
    NEVER: """
        generation_media_metadata_missing generation_audio_length_exceeded
        generation_text_length_exceeded generation_audio_missing generation_video_missing
        batch_plan_required dialogue_edit_retime_required cost_estimate_unavailable
        INVALID_IDEMPOTENCY_KEY
    """,
    ASK: "IDEMPOTENCY_OUTCOME_UNKNOWN IDEMPOTENCY_CONFLICT IDEMPOTENCY_IN_PROGRESS",
}
"""Those of older documents and of other pages."""


def lines(catalogue: dict[FaultKind, str]) -> list[tuple[str, FaultKind]]:
    return [(code, kind) for kind, codes in catalogue.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "kind"), lines(RUNWARE))
def test_a_code_of_runware_has_its_class(code: str, kind: FaultKind) -> None:
    family = runware.family(code)
    assert family is not Family.UNLISTED
    assert KINDS[family] is kind


@pytest.mark.parametrize(("code", "kind"), [*lines(SYNC), *lines(OLDER)])
def test_a_code_of_sync_has_its_class(code: str, kind: FaultKind) -> None:
    family = sync_so.family(code)
    assert family is not Family.UNLISTED
    assert KINDS[family] is kind


def test_the_catalogue_of_sync_is_whole_and_stands_there_code_by_code() -> None:
    ours = set().union(*(codes for codes, _ in sync_so.EXACT))
    named = {code for code, _ in lines(SYNC)}
    assert len(named) == 62
    assert named <= ours
    beginnings = {code for code, _ in lines(OLDER) if code.startswith(sync_so.IDEMPOTENCY)}
    assert ours - named == {code for code, _ in lines(OLDER)} - beginnings


@pytest.mark.parametrize("module", [runware, sync_so], ids=["runware", "sync"])
def test_no_code_is_in_two_classes(module: object) -> None:
    exact = module.EXACT  # type: ignore[attr-defined]  # both have it
    count = Counter(itertools.chain.from_iterable(codes for codes, _ in exact))
    assert max(count.values()) == 1


@pytest.mark.parametrize("code", [None, "", "neverHeardOf", "never_heard_of"])
def test_what_nobody_heard_of_has_to_be_asked_about(code: str | None) -> None:
    assert runware.family(code) is sync_so.family(code) is Family.UNLISTED
    assert KINDS[Family.UNLISTED] is ASK
