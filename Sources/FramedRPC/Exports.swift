// A user of FramedRPC meets StatusCode, ErrorDetail, MetadataEntry and Resume as if they were declared here. The rest
// of FramedCore is visible to this package only.
@_exported public import FramedCore
