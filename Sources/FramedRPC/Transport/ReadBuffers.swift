internal import NIOCore

/// What the sockets of one event loop are read into: a buffer goes from the loop to the socket that is read, and back when its bytes
/// were taken. Bursts are read in one call, and an idle connection holds next to nothing.
///
/// Unchecked: touched on the loop only.
final class ReadBuffers: @unchecked Sendable {
  fileprivate static let size = 65_536
  private var spare: ByteBuffer?

  fileprivate func take(_ allocator: ByteBufferAllocator) -> ByteBuffer {
    guard var buffer = spare else { return allocator.buffer(capacity: Self.size) }
    spare = nil
    buffer.clear()
    return buffer
  }

  /// Takes a buffer back.
  func give(_ buffer: ByteBuffer) {
    if buffer.storageCapacity >= Self.size { spare = buffer }
  }
}

/// What the sockets of one event loop are written from: taken, filled, handed to a socket, and used again once it has let go.
///
/// Unchecked: touched on the loop only.
final class WriteBuffers: @unchecked Sendable {
  private static let size = 131_072
  private static let most = 4
  private var buffers: [ByteBuffer] = []

  func take(_ allocator: ByteBufferAllocator) -> ByteBuffer {
    // The last one first: it is in the cache.
    for index in buffers.indices.reversed() where buffers[index].modifyIfUniquelyOwned({ $0.clear() }) != nil {
      return buffers.remove(at: index)
    }
    return allocator.buffer(capacity: Self.size)
  }

  /// After it was handed to a socket.
  func give(_ buffer: ByteBuffer) {
    guard buffers.count < Self.most else { return }
    buffers.append(buffer)
  }
}

/// Hands read buffers to one socket. NIO keeps the first buffer it is given for as long as the socket lives, and no other where a socket
/// is read once a turn and its buffers may grow: so the first is a small one.
///
/// Unchecked: touched on the loop only.
final class SocketReadBuffers: RecvByteBufferAllocator, @unchecked Sendable {
  /// Needs ``ChannelOptions/Types/MaxMessagesPerReadOption`` to be this.
  static let readsPerTurn: UInt = 1
  private static let first = 64
  private let shared: ReadBuffers
  private var isFirst = true

  init(_ shared: ReadBuffers) { self.shared = shared }

  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
    defer { isFirst = false }
    return isFirst ? allocator.buffer(capacity: Self.first) : shared.take(allocator)
  }

  func record(actualReadBytes: Int) -> Bool { true }
}
