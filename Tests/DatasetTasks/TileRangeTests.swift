import Geospatial
import Testing
@testable import DatasetTasks

@Suite struct TileRangeTests {
  private func counts(_ bbox: [Double], most: Int = 2_000, maxzoom: Int = 24) -> [Int] {
    let tiles = TileRange(bbox).tiles(most: most, maxzoom: maxzoom)
    #expect(Set(tiles).count == tiles.count, "each once")
    #expect(tiles.map(\.zoom) == tiles.map(\.zoom).sorted(), "whole zooms, one after the other")
    return (0...(tiles.last?.zoom ?? 0)).map { zoom in tiles.filter { $0.zoom == zoom }.count }
  }

  @Test func theWholeWorld() {
    #expect(counts([-180, -90, 180, 90]) == [1, 4, 16, 64, 256, 1_024])
    #expect(counts([-180, -90, 180, 90], maxzoom: 3) == [1, 4, 16, 64])
    #expect(counts([-180, -90, 180, 90], most: 84) == [1, 4, 16], "a zoom that does not fit is not begun")
    #expect(counts([-180, -90, 180, 90], most: 1) == [1])
  }

  @Test func aSmallPlaceGoesFarDown() {
    let zooms = counts([9, 49, 9.1, 49.1], maxzoom: 14)
    #expect(zooms.count == 15 && zooms.prefix(10).allSatisfy { $0 <= 2 })
    #expect(zooms[14] >= 36 && zooms[14] <= 56)
    let deepest = TileRange([9, 49, 9.1, 49.1]).tiles(most: 2_000, maxzoom: 14).last!
    #expect(deepest.zoom == 14 && deepest.column == 8_606 && deepest.row == 5_626)
  }

  @Test func overTheAntimeridianBothSidesAreDrawn() {
    let tiles = TileRange([179, 0, -179, 1]).tiles(most: 100, maxzoom: 3)
    #expect(Set(tiles.filter { $0.zoom == 3 }.map(\.column)) == [0, 7])
    #expect(tiles.filter { $0.zoom == 0 }.count == 1)
  }

  @Test func beyondWebMercatorThereIsNothing() {
    #expect(TileRange([0, 86, 10, 90]).tiles(most: 100, maxzoom: 5).isEmpty)
    #expect(TileRange([0, 80, 10, 90]).tiles(most: 100, maxzoom: 1).map(\.row) == [0, 0])
    // Data of no extent is somewhere.
    #expect(counts([9, 49, 9, 49], maxzoom: 2) == [1, 1, 1])
  }
}
