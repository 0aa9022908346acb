from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Notice(_message.Message):
    __slots__ = ["message", "reason", "remedy"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    message: str
    reason: str
    remedy: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ["category", "details", "location", "message", "reason", "remedy", "user_fixable"]
    class Category(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    class DetailsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CATEGORY_DATA: Problem.Category
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_PERMISSION: Problem.Category
    CATEGORY_REQUEST: Problem.Category
    CATEGORY_RESOURCE: Problem.Category
    CATEGORY_SOURCE: Problem.Category
    CATEGORY_STATE: Problem.Category
    CATEGORY_SYSTEM: Problem.Category
    CATEGORY_UNSPECIFIED: Problem.Category
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    USER_FIXABLE_FIELD_NUMBER: _ClassVar[int]
    category: Problem.Category
    details: _containers.ScalarMap[str, str]
    location: ProblemLocation
    message: str
    reason: str
    remedy: str
    user_fixable: bool
    def __init__(self, reason: _Optional[str] = ..., category: _Optional[_Union[Problem.Category, str]] = ..., message: _Optional[str] = ..., user_fixable: bool = ..., remedy: _Optional[str] = ..., location: _Optional[_Union[ProblemLocation, _Mapping]] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ProblemLocation(_message.Message):
    __slots__ = ["byte", "feature", "field", "layer"]
    BYTE_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    byte: int
    feature: int
    field: str
    layer: str
    def __init__(self, layer: _Optional[str] = ..., feature: _Optional[int] = ..., byte: _Optional[int] = ..., field: _Optional[str] = ...) -> None: ...

class WarningCount(_message.Message):
    __slots__ = ["count", "message", "reason"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    count: int
    message: str
    reason: str
    def __init__(self, reason: _Optional[str] = ..., count: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...
