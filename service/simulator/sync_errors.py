"""Sync's catalogue of error codes, as `GET /v2/errors` has it; the words are ours."""

from types import MappingProxyType

_TABLE = """
generation_unsupported_model | This model is not supported | Choose a model of GET /v2/models
generation_pipeline_failed | The generation failed | Try again
generation_unknown_error | An unknown error occurred | Try again
generation_input_validation_failed | The inputs are not valid | Correct the inputs
generation_infra_storage_error | The output could not be stored | Try again
generation_infra_resource_exhausted | No machine was free | Try again later
generation_infra_service_unavailable | A service was unavailable | Try again later
generation_input_video_inaccessible | The video could not be fetched | Make its URL public
generation_input_audio_inaccessible | The audio could not be fetched | Make its URL public
generation_input_image_inaccessible | The image could not be fetched | Make its URL public
generation_input_video_invalid | The video could not be read | Use MP4 with H.264
generation_input_audio_invalid | The audio could not be read | Use WAV or MP3
generation_input_segments_invalid | The segments are not valid | Correct times and refIds
generation_input_trim_invalid | The trim is not valid | Keep it within the media
generation_input_face_selection_invalid | No face is at the chosen place | Choose another frame or place
generation_input_resolution_unsupported | The resolution is not supported | Use at most 4096x2160
generation_input_duration_greater_than_max_duration | The input is too long | Shorten it
generation_model_duration_exceeded | The input is too long for this model | Shorten it
generation_plan_duration_exceeded | The input is too long for your plan | Shorten it or upgrade
dubbing_duration_exceeded | The video is too long to be dubbed | Shorten it
free_tier_generations_exhausted | The free generations are used up | Choose a plan
plan_feature_unavailable | Your plan does not have this feature | Upgrade
account_payment_required | A payment is required | Pay the open invoice
account_on_hold | The account is on hold | Contact support
voice_clone_limit_reached | No more voices can be cloned | Delete a voice or upgrade
elevenlabs_quota_exceeded | The quota at ElevenLabs is used up | Raise it
generation_input_asset_type_mismatch | The asset is of another type | Use an asset of the input's type
generation_input_too_many_visual | There is more than one video or image | Send exactly one
generation_input_dub_audio_conflict | Dubbing takes no audio or text | Leave the voice out
concurrency_limit_reached | Too many generations are under way | Wait for one to end, or upgrade
rate_limit_exceeded | Too many requests | Wait a minute
generation_not_deletable_while_processing | It is still under way | Delete it when it has ended
invalid_generation_id | This is no id of a generation | Send the id as it was given
unsupported_generation_id_format | The id has a form that is not supported | Send the id as it was given
generation_not_found | There is no such generation | Check id and key
generation_conflict | The generation is in another state | Read it again
generation_media_probe_timeout | Reading the media took too long | Try again
generation_media_probe_unavailable | The media could not be read now | Try again
controller_timeout | The controller took too long | Try again
controller_unavailable | The controller is unavailable | Try again later
controller_dependency_error | The controller lacks a service | Try again later
internal_error | Something went wrong | Try again
project_not_found | There is no such project | Check the projectId
asset_not_found | There is no such asset | Check the assetId
asset_forbidden | The asset is not yours | Use an asset of your organization
invalid_asset_id_format | This is no id of an asset | Send the id as it was given
uploaded_file_not_found | Nothing was uploaded there | Upload the file first
file_not_in_org_storage | The file is not in your storage | Use the URL that the upload gave
file_size_exceeds_plan_limit | The file is too large for your plan | Use a smaller file or upgrade
voice_not_found | There is no such voice | Check the voiceId
voice_sample_not_accessible | The sample could not be fetched | Make its URL public
voice_sample_type_unsupported | The sample has an unsupported type | Use WAV or MP3
voice_sample_upload_required | A sample is required | Upload one
voice_sample_extraction_failed | No voice could be taken from the sample | Use another sample
voice_sample_source_too_large | The sample is too large | Use a smaller one
voice_sample_too_short | The sample is too short | Use a longer one
voice_sample_invalid | The sample is not valid | Use another sample
voice_name_conflict | A voice has this name already | Choose another name
voice_clone_busy | Another clone is being made | Try again
elevenlabs_api_key_invalid | The key of ElevenLabs is not valid | Correct it
elevenlabs_service_unavailable | ElevenLabs is unavailable | Try again later
usage_dependency_unavailable | The usage could not be read | Try again
"""

ROWS = tuple(
    (code, message, suggestion)
    for code, message, suggestion in (line.split(" | ") for line in _TABLE.strip().splitlines())
)
MESSAGES = MappingProxyType({code: f"{message}." for code, message, _ in ROWS})
CATALOGUE = tuple(
    {"code": code, "message": f"{message}.", "suggestion": f"{suggestion}."}
    for code, message, suggestion in ROWS
)
