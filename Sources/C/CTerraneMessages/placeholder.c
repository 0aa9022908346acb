#include "CTerraneMessages.h"
