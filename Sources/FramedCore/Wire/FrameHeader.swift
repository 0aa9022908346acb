/// The eight frame types of v1.
package enum FrameType: UInt8, Sendable, CaseIterable {
  case hello = 0x01
  case call = 0x02
  case data = 0x03
  case end = 0x04
  case cancel = 0x05
  case credit = 0x06
  case ping = 0x07
  case goaway = 0x08
}

/// Flag bits; undefined ones are sent as 0 and ignored when received.
package struct FrameFlags: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Ends the request; never with ``more``.
  package static let last = FrameFlags(rawValue: 0x01)
  /// On PING: this echoes one.
  package static let ack = FrameFlags(rawValue: 0x01)
  /// The message goes on in the stream's next DATA, or ends in END.
  package static let more = FrameFlags(rawValue: 0x02)
  /// No body, and not an empty message.
  package static let noMessage = FrameFlags(rawValue: 0x04)
  package static let compressed = FrameFlags(rawValue: 0x08)
  /// Older values of the key were skipped.
  package static let conflated = FrameFlags(rawValue: 0x10)
  /// END only: not executed, safe to try again.
  package static let refused = FrameFlags(rawValue: 0x20)
  /// Skip the frame if its type is unknown.
  package static let ignorable = FrameFlags(rawValue: 0x80)
}

/// The 12 bytes every frame begins with, big-endian.
package struct FrameHeader: Sendable, Hashable {
  package static let size = 12

  /// Bytes after the header.
  package var length: UInt32
  /// Raw, because a peer may send types we do not know.
  package var type: UInt8
  package var flags: FrameFlags
  /// Metadata length on CALL, DATA and END; a code on CANCEL and GOAWAY; the minor version on HELLO.
  package var aux: UInt16
  package var stream: UInt32

  package init(length: Int, type: FrameType, flags: FrameFlags = [], aux: Int = 0, stream: UInt32 = 0) {
    self.length = UInt32(truncatingIfNeeded: length)
    self.type = type.rawValue
    self.flags = flags
    self.aux = UInt16(truncatingIfNeeded: aux)
    self.stream = stream
  }

  @inline(__always)
  package init(loading p: UnsafeRawPointer) {
    length = UInt32(bigEndian: p.loadUnaligned(as: UInt32.self))
    type = p.load(fromByteOffset: 4, as: UInt8.self)
    flags = FrameFlags(rawValue: p.load(fromByteOffset: 5, as: UInt8.self))
    aux = UInt16(bigEndian: p.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
    stream = UInt32(bigEndian: p.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
  }

  @inline(__always)
  package func store(to p: UnsafeMutableRawPointer) {
    p.storeBytes(of: length.bigEndian, as: UInt32.self)
    p.storeBytes(of: type, toByteOffset: 4, as: UInt8.self)
    p.storeBytes(of: flags.rawValue, toByteOffset: 5, as: UInt8.self)
    p.storeBytes(of: aux.bigEndian, toByteOffset: 6, as: UInt16.self)
    p.storeBytes(of: stream.bigEndian, toByteOffset: 8, as: UInt32.self)
  }

  /// Makes a frame that was written for one stream another's.
  @inline(__always)
  package static func set(stream: UInt32, flags: FrameFlags, at p: UnsafeMutableRawPointer) {
    p.storeBytes(of: flags.rawValue, toByteOffset: 5, as: UInt8.self)
    p.storeBytes(of: stream.bigEndian, toByteOffset: 8, as: UInt32.self)
  }
}

/// Reasons on CANCEL.
package enum CancelReason: UInt16, Sendable {
  case unspecified = 0
  case caller = 1
  case deadline = 2
  case clientShutdown = 3
  case slowConsumer = 4
}

/// Codes on GOAWAY.
package enum GoawayCode: UInt16, Sendable, Hashable {
  case drain = 0
  case `protocol` = 1
  case frameSize = 2
  case flowControl = 3
  case calm = 4
  case `internal` = 5
  case auth = 6
  case idle = 7
}
