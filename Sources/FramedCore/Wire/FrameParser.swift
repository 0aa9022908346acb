/// One whole frame; the pointers are valid until the buffer it lies in changes.
package struct Frame {
  package let header: FrameHeader
  /// Protobuf metadata of CALL, DATA and END; empty else.
  package let meta: UnsafeRawBufferPointer
  /// What follows the metadata.
  package let body: UnsafeRawBufferPointer
}

/// A breach that ends the connection: GOAWAY with this code and reason, then close.
package struct ConnectionViolation: Error, Sendable, Hashable {
  package let code: GoawayCode
  package let reason: String

  package init(_ code: GoawayCode, _ reason: String) {
    self.code = code
    self.reason = reason
  }
}

/// Cuts frames out of a byte buffer and refuses every shape the header alone shows to be wrong, before a byte of
/// payload is looked at.
package enum FrameParser {
  package enum Step {
    /// Not a whole frame yet.
    case incomplete
    /// A frame of a known type, `size` bytes long with its header.
    case frame(Frame, FrameType, size: Int)
    /// A frame of a type we do not know that may be skipped.
    case ignorable(size: Int)
    case violation(ConnectionViolation)
  }

  /// The frame at the front of `bytes`. `maxFrame` is what our own HELLO allows, header included.
  @inline(__always)
  package static func next(in bytes: UnsafeRawBufferPointer, maxFrame: Int) -> Step {
    guard bytes.count >= FrameHeader.size, let base = bytes.baseAddress else { return .incomplete }
    let header = FrameHeader(loading: base)
    let length = Int(header.length)
    if length > maxFrame - FrameHeader.size {
      return .violation(ConnectionViolation(.frameSize, "frame of \(length) bytes, at most \(maxFrame - 12)"))
    }
    guard let type = FrameType(rawValue: header.type) else {
      guard header.flags.contains(.ignorable) else {
        return .violation(ConnectionViolation(.protocol, "unknown frame type \(header.type)"))
      }
      let size = FrameHeader.size + length
      return bytes.count < size ? .incomplete : .ignorable(size: size)
    }
    if let violation = shapeViolation(header, type, length) { return .violation(violation) }
    let size = FrameHeader.size + length
    guard bytes.count >= size else { return .incomplete }
    let metaLength = hasMetadata(type) ? Int(header.aux) : 0
    let payload = base + FrameHeader.size
    return .frame(
      Frame(
        header: header,
        meta: UnsafeRawBufferPointer(start: payload, count: metaLength),
        body: UnsafeRawBufferPointer(start: payload + metaLength, count: length - metaLength)),
      type, size: size)
  }

  @inline(__always)
  private static func hasMetadata(_ type: FrameType) -> Bool {
    type == .call || type == .data || type == .end
  }

  @inline(__always)
  private static func shapeViolation(_ header: FrameHeader, _ type: FrameType, _ length: Int) -> ConnectionViolation? {
    switch type {
    case .call, .data, .end:
      if Int(header.aux) > length { return ConnectionViolation(.protocol, "metadata longer than its frame") }
      if header.stream == 0 || header.stream > Limits.maxStreamID || header.stream & 1 == 0 {
        return ConnectionViolation(.protocol, "stream id \(header.stream)")
      }
      return nil
    case .cancel:
      return fixed(header, length == 0, "CANCEL", onStream: true)
    case .credit:
      if header.stream == 0 { return ConnectionViolation(.flowControl, "CREDIT on stream 0") }
      return fixed(header, length == 4, "CREDIT", onStream: true)
    case .ping:
      return fixed(header, length == 8, "PING", onStream: false)
    case .goaway:
      return fixed(header, length >= 8 && length <= 8 + Limits.goawayReason, "GOAWAY", onStream: false)
    case .hello:
      return fixed(header, length <= Limits.helloBytes, "HELLO", onStream: false)
    }
  }

  private static func fixed(
    _ header: FrameHeader, _ lengthFits: Bool, _ name: String, onStream: Bool
  ) -> ConnectionViolation? {
    if !lengthFits { return ConnectionViolation(.frameSize, "\(name) of \(header.length) bytes") }
    if onStream {
      if header.stream == 0 || header.stream > Limits.maxStreamID || header.stream & 1 == 0 {
        return ConnectionViolation(.protocol, "\(name) on stream id \(header.stream)")
      }
    } else if header.stream != 0 {
      return ConnectionViolation(.protocol, "\(name) on stream \(header.stream)")
    }
    return nil
  }
}
