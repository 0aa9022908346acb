package import CProtobufC
package import CProtobufGuard

/// What a message from outside may cost.
public struct DecodingLimits: Sendable, Equatable {
  /// Messages in messages, the outermost counted as 1.
  public var maximumDepth: Int
  /// Bytes of memory that the unpacked form may take, whatever its size on the wire.
  public var baseMemory: Int
  /// Bytes of memory besides, for each byte on the wire. Honest messages need less than 16; crafted ones reach 108.
  public var memoryPerByte: Int

  public init(maximumDepth: Int = 100, baseMemory: Int = 1 << 20, memoryPerByte: Int = 16) {
    self.maximumDepth = maximumDepth
    self.baseMemory = baseMemory
    self.memoryPerByte = memoryPerByte
  }

  public static let `default` = DecodingLimits()

  /// Bytes that unpacking a message of `size` bytes may take; never overflows.
  func memory(forSize size: Int) -> Int {
    let (product, overflow) = size.multipliedReportingOverflow(by: max(memoryPerByte, 0))
    if overflow { return .max }
    let (sum, overflowed) = product.addingReportingOverflow(max(baseMemory, 0))
    return overflowed ? .max : sum
  }
}

/// Why bytes are not a message, or not one that may be decoded.
public struct ProtobufDecodingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Stable.
  public enum Reason: String, Sendable {
    /// Truncated, or not the protobuf wire format.
    case malformed = "MALFORMED"
    /// More messages in messages than the limit.
    case tooDeep = "TOO_DEEP"
    /// A string that is not UTF-8.
    case invalidUTF8 = "INVALID_UTF8"
    /// Its unpacked form would be over the memory limit.
    case overMemoryLimit = "OVER_MEMORY_LIMIT"
    /// A known field with the wire type of another type.
    case foreignWireType = "FOREIGN_WIRE_TYPE"
    /// A group: a construct of proto2.
    case group = "GROUP"
    /// A singular message, or the same member of a oneof, occurs twice. Legal, and no generator writes it; the decoder beneath would lose the first.
    case givenTwice = "GIVEN_TWICE"
  }

  public var reason: Reason
  /// Full name of the message in which it was found.
  public var message: String
  /// Number of the field; 0 where it is unknown.
  public var field: Int
  /// Bytes before the place.
  public var offset: Int

  public init(reason: Reason, message: String, field: Int, offset: Int) {
    self.reason = reason
    self.message = message
    self.field = field
    self.offset = offset
  }

  public var description: String {
    let place = field == 0 ? message : "field \(field) of \(message)"
    return "\(reason.rawValue) in \(place) at byte \(offset)"
  }

  init?(_ finding: ProtobufGuardFinding) {
    switch finding.reason {
    case PROTOBUF_GUARD_FINE: return nil
    case PROTOBUF_GUARD_TOO_DEEP: reason = .tooDeep
    case PROTOBUF_GUARD_INVALID_UTF8: reason = .invalidUTF8
    case PROTOBUF_GUARD_OVER_BUDGET: reason = .overMemoryLimit
    case PROTOBUF_GUARD_FOREIGN_WIRE_TYPE: reason = .foreignWireType
    case PROTOBUF_GUARD_GROUP: reason = .group
    case PROTOBUF_GUARD_GIVEN_TWICE: reason = .givenTwice
    default: reason = .malformed
    }
    message = finding.message.map { String(cString: $0) } ?? ""
    field = Int(finding.field)
    offset = finding.offset
  }
}

/// A message over a struct that protobuf-c generated. Only generated code conforms.
package protocol ProtobufCBacked: ProtobufMessage {
  /// The generated C struct; its first member is ProtobufCMessage.
  associatedtype CMessage
  /// The guard's table, which also names protobuf-c's descriptor.
  static var guardTable: UnsafePointer<ProtobufGuardMessage> { get }
  /// Sets every member to its default.
  static func initialize(_ c: UnsafeMutablePointer<CMessage>)
  /// Copies everything out of the struct: nothing of it is referred to afterwards.
  init(copying c: UnsafePointer<CMessage>)
  /// Fills an initialised struct; what it points at lives as long as the arena.
  func store(in c: UnsafeMutablePointer<CMessage>, arena: ProtobufEncodingArena)
}

/// Where the guard let pass what protobuf-c refuses: the guard is the stricter of the two, so this is a difference between them.
package func refusedByProtobufC(_ message: String) -> ProtobufDecodingError {
  ProtobufDecodingError(reason: .malformed, message: message, field: 0, offset: 0)
}

// The typed ends of these are generated for each message: generic ones would ask the runtime for metadata with every message.

/// Checks the bytes and unpacks them into one piece of memory of exactly the size the check found; `body` gets the struct, which
/// lives no longer than the call. It is not called where protobuf-c refuses what the guard let pass.
package func unpackProtobuf(
  _ table: UnsafePointer<ProtobufGuardMessage>, _ bytes: UnsafeRawBufferPointer, _ limits: DecodingLimits,
  _ body: (UnsafeRawPointer) -> Void
) throws(ProtobufDecodingError) {
  let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
  let depth = UInt32(clamping: limits.maximumDepth)
  let finding = protobuf_guard_check(table, start, bytes.count, depth, limits.memory(forSize: bytes.count))
  if let error = ProtobufDecodingError(finding) { throw error }

  let arenaSize = (MemoryLayout<ProtobufArena>.size + 15) & ~15
  withUnsafeTemporaryAllocation(byteCount: arenaSize + finding.memory, alignment: 16) { memory in
    guard let base = memory.baseAddress else { return }
    let arena = base.bindMemory(to: ProtobufArena.self, capacity: 1)
    protobuf_arena_init(arena, base + arenaSize, finding.memory, finding.memory)
    // The allocator is the arena's first member.
    let allocator = UnsafeMutableRawPointer(arena).assumingMemoryBound(to: ProtobufCAllocator.self)
    guard let unpacked = protobuf_c_message_unpack(table.pointee.descriptor, allocator, bytes.count, start) else {
      return
    }
    body(UnsafeRawPointer(unpacked))
  }
}

extension String {
  /// Of bytes that the guard found to be UTF-8.
  package init(protobuf data: ProtobufCBinaryData) {
    // Most fields of most messages are empty.
    self = data.len == 0 ? "" : String(decoding: UnsafeBufferPointer(start: data.data, count: data.len), as: UTF8.self)
  }
}

extension [UInt8] {
  package init(protobuf data: ProtobufCBinaryData) {
    self = data.len == 0 ? [] : Array(UnsafeBufferPointer(start: data.data, count: data.len))
  }
}

/// The elements of a repeated field. Inlinable, so that loops over numbers are specialised where they are used.
@inlinable package func protobufArray<C, Element>(
  _ start: UnsafeMutablePointer<C>?, _ count: Int, _ convert: (C) -> Element
) -> [Element] {
  guard count > 0, let start else { return [] }
  return [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
    for index in 0..<count { buffer.initializeElement(at: index, to: convert(start[index])) }
    initialized = count
  }
}
