/// Memory that the queues of one event loop hand round: a queue needs it while bytes are in it, which is a part of a turn. Without,
/// every burst would ask the system for pages and give them back.
///
/// Belongs to one event loop.
package final class BlockPool {
  struct Block {
    let memory: UnsafeMutableRawPointer
    let capacity: Int
  }

  private static let most = 4
  private static let sizes = 16_384...1_048_576
  private var blocks: [Block] = []

  package init() {}

  deinit { for block in blocks { block.memory.deallocate() } }

  /// A block of at least `size` bytes.
  func take(_ size: Int) -> Block? {
    guard let index = blocks.lastIndex(where: { $0.capacity >= size }) else { return nil }
    return blocks.remove(at: index)
  }

  func give(_ block: Block) {
    guard Self.sizes.contains(block.capacity) else { return block.memory.deallocate() }
    if blocks.count == Self.most { blocks.removeFirst().memory.deallocate() }
    blocks.append(block)
  }
}
