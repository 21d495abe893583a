
.
xPlaceholder*
dtype0*
shape:
9
y/multiplesConst*
dtype0*
valueB:
4
yTilexy/multiples*

Tmultiples0*
T0"ª