#include "CProtobufGuard.h"
