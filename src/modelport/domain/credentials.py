"""What a caller of an endpoint needs, as `get-credentials` prints it: names as Azure ML has them."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Keys(BaseModel):
    """Both are valid. ``primaryKey``, ``secondaryKey``."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)
    primary_key: str
    secondary_key: str


class Token(BaseModel):
    """``accessToken``, ``tokenType``, ``expiryTimeUtc``, ``refreshAfterTimeUtc``: seconds since the epoch."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)
    access_token: str
    token_type: str = "Bearer"
    expiry_time_utc: int
    refresh_after_time_utc: int


Credentials = Keys | Token
