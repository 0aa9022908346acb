package import CProtobufC
internal import CProtobufGuard

/// The memory of C structs that are on their way to the wire.
@usableFromInline package struct ProtobufEncodingArena {
  let arena: UnsafeMutablePointer<ProtobufArena>

  init(_ arena: UnsafeMutablePointer<ProtobufArena>) {
    self.arena = arena
  }

  @usableFromInline func allocate(_ size: Int) -> UnsafeMutableRawPointer {
    guard let memory = protobuf_arena_allocate(arena, size) else {
      // This arena has no limit; malloc itself failed.
      fatalError("out of memory while encoding a message")
    }
    return memory
  }

  /// An uninitialised struct.
  @inlinable package func new<C>(_ type: C.Type) -> UnsafeMutablePointer<C> {
    allocate(MemoryLayout<C>.stride).bindMemory(to: C.self, capacity: 1)
  }

  /// The struct of a message, filled.
  package func message<Message: ProtobufCBacked>(
    _ message: Message
  ) -> UnsafeMutablePointer<Message.CMessage> {
    let c = new(Message.CMessage.self)
    Message.initialize(c)
    message.store(in: c, arena: self)
    return c
  }

  package func string(_ string: String) -> ProtobufCBinaryData {
    if string.isEmpty { return ProtobufCBinaryData(len: 0, data: nil) }
    var string = string
    return string.withUTF8 { bytes(UnsafeRawBufferPointer($0)) }
  }

  package func bytes(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    bytes.withUnsafeBytes { self.bytes($0) }
  }

  func bytes(_ source: UnsafeRawBufferPointer) -> ProtobufCBinaryData {
    guard let start = source.baseAddress, source.count > 0 else { return ProtobufCBinaryData(len: 0, data: nil) }
    let copy = allocate(source.count)
    copy.copyMemory(from: start, byteCount: source.count)
    return ProtobufCBinaryData(len: source.count, data: copy.assumingMemoryBound(to: UInt8.self))
  }

  /// The array of a repeated field.
  @inlinable package func array<Element, C>(
    _ elements: [Element], _ convert: (Element) -> C
  ) -> UnsafeMutablePointer<C> {
    let array = allocate(MemoryLayout<C>.stride * elements.count).bindMemory(to: C.self, capacity: elements.count)
    for (index, element) in elements.enumerated() { (array + index).initialize(to: convert(element)) }
    return array
  }
}

/// Of a struct that protobuf-c knows.
package func packProtobuf(_ message: UnsafeRawPointer) -> [UInt8] {
  let c = message.assumingMemoryBound(to: ProtobufCMessage.self)
  let size = protobuf_c_message_get_packed_size(c)
  // An array of no elements is one and the same everywhere, and making another writes to it.
  guard size > 0 else { return [] }
  return [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
    initialized = protobuf_c_message_pack(c, buffer.baseAddress)
  }
}

package func packProtobuf(
  _ message: UnsafeRawPointer, into reserve: (_ size: Int) -> UnsafeMutableRawBufferPointer
) {
  let c = message.assumingMemoryBound(to: ProtobufCMessage.self)
  let size = protobuf_c_message_get_packed_size(c)
  let memory = reserve(size)
  precondition(memory.count >= size, "less memory than the message needs")
  guard size > 0, let start = memory.baseAddress else { return }
  _ = protobuf_c_message_pack(c, start.assumingMemoryBound(to: UInt8.self))
}

package func withProtobufArena(_ body: (ProtobufEncodingArena) -> Void) {
  // 1,024 bytes stay on the stack; larger messages continue in blocks from malloc.
  withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 16) { memory in
    withUnsafeTemporaryAllocation(of: ProtobufArena.self, capacity: 1) { place in
      // Both are non-empty, so they have addresses.
      guard let arena = place.baseAddress, let start = memory.baseAddress else { fatalError("no temporary memory") }
      protobuf_arena_init(arena, start, memory.count, .max)
      defer { protobuf_arena_end(arena) }
      body(ProtobufEncodingArena(arena))
    }
  }
}

/// A map's entries in canonical order: numbers by value, false before true, strings by their UTF-8 bytes.
package func protobufSorted<Key: ProtobufMapKey, Value>(_ map: [Key: Value]) -> [(key: Key, value: Value)] {
  map.sorted { Key.precedes($0.key, $1.key) }
}

package protocol ProtobufMapKey: Hashable {
  static func precedes(_ a: Self, _ b: Self) -> Bool
}
extension String: ProtobufMapKey {
  package static func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
}
extension Bool: ProtobufMapKey {
  package static func precedes(_ a: Bool, _ b: Bool) -> Bool { !a && b }
}
extension Int32: ProtobufMapKey {
  package static func precedes(_ a: Int32, _ b: Int32) -> Bool { a < b }
}
extension Int64: ProtobufMapKey {
  package static func precedes(_ a: Int64, _ b: Int64) -> Bool { a < b }
}
extension UInt32: ProtobufMapKey {
  package static func precedes(_ a: UInt32, _ b: UInt32) -> Bool { a < b }
}
extension UInt64: ProtobufMapKey {
  package static func precedes(_ a: UInt64, _ b: UInt64) -> Bool { a < b }
}

/// Holds a message that can hold another one of its own kind.
package indirect enum ProtobufBox<Message: ProtobufMessage>: Sendable, Equatable {
  case value(Message)

  package var value: Message {
    switch self {
    case .value(let message): message
    }
  }
}
