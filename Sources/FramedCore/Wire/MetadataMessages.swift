package import FramedMessages
internal import ProtobufFacade

// Frame metadata is the generated framedrpc.v1 messages; the public value types next to them have the names users see.

/// Metadata is at most 8 KiB and two messages deep; what it may unpack to is bounded accordingly.
private let metadataLimits = DecodingLimits(maximumDepth: 4, baseMemory: 65_536, memoryPerByte: 16)

extension ProtobufMessage {
  /// `nil`: not this message.
  @inline(__always)
  package init?(metadata bytes: UnsafeRawBufferPointer) {
    do throws(ProtobufDecodingError) {
      try self.init(protobuf: bytes, limits: metadataLimits)
    } catch {
      return nil
    }
  }
}

extension Resume {
  package init(_ point: ResumePoint) { self.init(epoch: point.epoch, afterSeq: point.afterSeq) }
  package var point: ResumePoint { ResumePoint(epoch: epoch, afterSeq: afterSeq) }
}

extension MetadataEntry {
  package init(_ header: Header) { self.init(key: header.key, value: header.value) }
  package var header: Header { Header(key: key, value: value) }
}

extension ErrorDetail {
  package init(_ detail: Detail) { self.init(typeURL: detail.typeURL, value: detail.value) }
  package var detail: Detail { Detail(typeURL: typeURL, value: value) }

  /// A `google.rpc.ErrorInfo` of the transport's own.
  package static func errorInfo(_ reason: String, _ metadata: [String: String] = [:]) -> ErrorDetail {
    let info = ErrorInfo(reason: reason, domain: "framedrpc", metadata: metadata)
    return ErrorDetail(typeURL: "type.googleapis.com/\(ErrorInfo.protobufName)", value: info.protobufBytes())
  }
}
